import { createHash } from 'node:crypto';
import { askHttp, type Clock } from '@kilonova/runtime';
import { forbidden, HttpError, unavailable } from '../http/error.ts';
import { header, type Request } from '../http/route.ts';
import type { ImageConfig } from './config.ts';

/** Who asks, as the identity service says. */
export interface Caller {
  readonly userId: string;
  /** Undefined for a token without a project. */
  readonly projectId: string | undefined;
  readonly roles: ReadonlySet<string>;
}

export const isAdmin = ({ roles }: Caller) => roles.has('admin');

/** Throws HttpError 403 for a reader. */
export function refuseReader(caller: Caller): void {
  if (!isAdmin(caller) && (!caller.roles.has('member') || caller.projectId === undefined))
    throw forbidden('You are not authorized to complete this action: expected the role member in a project.');
}

interface Known {
  readonly caller: Caller;
  /** On the monotonic clock. */
  readonly until: number;
}

interface CallersOptions {
  /** With or without `/v3`. */
  readonly identityUrl: string;
  readonly config: Pick<ImageConfig, 'tokenCacheMs' | 'tokenCacheSize' | 'identityTimeoutMs' | 'maxIdentityAnswerBytes'>;
  readonly clock: Clock;
}

/** Checks tokens with the identity service. Only good tokens are remembered, for a short time and never beyond their end. */
export class Callers {
  readonly #options: CallersOptions;
  readonly #base: string;
  /** By hash, so that a memory dump shows no token; the oldest first. */
  readonly #known = new Map<string, Known>();

  constructor(options: CallersOptions) {
    this.#options = options;
    this.#base = options.identityUrl.replace(/\/+$/, '').replace(/\/v3$/, '');
  }

  /** Throws HttpError 401 without a good token, 503 when the identity service does not answer. */
  async of(request: Request): Promise<Caller> {
    const token = header(request, 'x-auth-token');
    if (token === undefined || token === '' || !/^[\x21-\x7e]{1,4096}$/.test(token)) throw this.#refusal();
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(key);
    if (known !== undefined && known.until > this.#options.clock.monotonic()) return known.caller;
    this.#known.delete(key);
    const { caller, lifetimeMs } = await this.#ask(token);
    const { config, clock } = this.#options;
    this.#known.set(key, { caller, until: clock.monotonic() + Math.min(config.tokenCacheMs, lifetimeMs) });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= config.tokenCacheSize) break;
      this.#known.delete(oldest);
    }
    return caller;
  }

  async #ask(token: string): Promise<{ readonly caller: Caller; readonly lifetimeMs: number }> {
    const { clock, config } = this.#options;
    const abort = new AbortController();
    const cancel = clock.after(config.identityTimeoutMs, () => abort.abort(new Error('no answer in time')));
    try {
      const { status, text } = await askHttp(`${this.#base}/v3/auth/tokens?nocatalog`, {
        headers: { 'X-Auth-Token': token, 'X-Subject-Token': token, Accept: 'application/json' },
        signal: abort.signal,
        maxAnswerBytes: config.maxIdentityAnswerBytes,
      });
      if (status === 401 || status === 404) throw this.#refusal();
      if (status !== 200) throw unavailable(`The identity service answered ${status}. Try again later.`);
      const { token: found } = JSON.parse(text) as { token: TokenBody };
      return {
        caller: { userId: found.user.id, projectId: found.project?.id, roles: new Set((found.roles ?? []).map(({ name }) => name)) },
        lifetimeMs: Date.parse(found.expires_at) - clock.now(),
      };
    } catch (error) {
      throw error instanceof HttpError ? error : unavailable('The identity service does not answer. Try again later.', error);
    } finally {
      cancel();
    }
  }

  #refusal(): HttpError {
    return new HttpError(401, 'This server could not verify that you are authorized to access the document you requested.', {
      headers: { 'WWW-Authenticate': `Keystone uri="${this.#base}"` },
    });
  }
}

interface TokenBody {
  readonly user: { readonly id: string };
  readonly project?: { readonly id: string };
  readonly roles?: readonly { readonly name: string }[];
  readonly expires_at: string;
}
