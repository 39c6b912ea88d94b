import type { Cloud } from '../cloud/cloud.ts';
import { paced, type Pacing } from '../measure/pace.ts';

/** One kind of reading; `path` takes a running number, so that single servers are asked for in turn. */
export interface Reading {
  readonly name: string;
  path(turn: number): string;
}

/** @param ids of servers that are there */
export const readings = (ids: readonly string[]): readonly Reading[] => [
  { name: 'list', path: () => '/servers' },
  { name: 'list_100', path: () => '/servers?limit=100' },
  { name: 'detail_100', path: () => '/servers/detail?limit=100' },
  { name: 'show', path: (turn) => `/servers/${ids[turn % ids.length]}` },
  { name: 'flavors', path: () => '/flavors/detail' },
  { name: 'hypervisors', path: () => '/os-hypervisors/detail' },
];

export interface Load {
  readonly durationsMs: number[];
  /** Of the last answer. */
  bytes: number;
  seconds: number;
}

export interface LoadParts {
  readonly cloud: Cloud;
  readonly reading: Reading;
  readonly concurrency: number;
  readonly clock: Pacing;
  /** Between the beginnings of two readings of one worker; 0: as soon as the last is answered. */
  readonly everyMs?: number;
  /** Ends the load. */
  readonly signal: AbortSignal;
  readonly onError: (error: unknown) => void;
}

/** Asks again and again, so many at a time, at the pace that is given, until `signal` is aborted; the last answers are waited for. */
export async function readUnderLoad({ cloud, reading, concurrency, clock, everyMs = 0, signal, onError }: LoadParts): Promise<Load> {
  const load: Load = { durationsMs: [], bytes: 0, seconds: 0 };
  const began = clock.monotonic();
  let turn = 0;
  const read = async (asked: number): Promise<void> => {
    try {
      load.bytes = (await cloud.ask(reading.path(turn++), { unread: true })).bytes;
      load.durationsMs.push(clock.monotonic() - asked);
    } catch (error) {
      onError(error);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, () => paced(everyMs, clock, signal, read)));
  load.seconds = (clock.monotonic() - began) / 1_000;
  return load;
}
