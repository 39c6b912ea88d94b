import { parseVersion } from '../contract/contract.ts';
import type { RpcError } from '../errors.ts';
import { UnsupportedVersion } from '../errors.ts';

/** A server that does not know the version it was spoken to in. */
export interface OlderPeer {
  /** By which name it was addressed; undefined: any of the topic. */
  readonly server: string | undefined;
  /** What it was sent, MAJOR.MINOR. */
  readonly asked: string;
  /** What it knows, MAJOR.MINOR: an older minor of the same major. */
  readonly supported: string;
}

/** Undefined where the error does not say that, or says what cannot be: a peer may send anything. */
export function olderPeer(error: RpcError, server: string | undefined): OlderPeer | undefined {
  if (!(error instanceof UnsupportedVersion)) return undefined;
  const { asked, supported } = error.details ?? {};
  if (typeof asked !== 'string' || typeof supported !== 'string') return undefined;
  try {
    const [newer, older] = [parseVersion(asked, 'asked'), parseVersion(supported, 'supported')];
    return newer.major === older.major && newer.minor > older.minor ? { server, asked, supported } : undefined;
  } catch {
    return undefined;
  }
}
