import type { Clock } from '@kilonova/runtime';
import { spread, type Progress } from '../measure/bench.ts';
import { deadlineIn } from '../measure/deadline.ts';
import type { ErrorTally } from '../measure/errors.ts';
import type { Cloud } from './cloud.ts';
import { deleteServer, listServers, type ListedServer } from './servers.ts';

/** A server that is still there is asked to go once more: its creation may have come to light only now. */
const ASK_AGAIN_MS = 5_000;

export interface RemovalParts {
  readonly cloud: Cloud;
  readonly clock: Clock;
  readonly progress: Progress;
  readonly errors: ErrorTally;
  readonly prefix: string;
  readonly concurrency: number;
  readonly tickMs: number;
  /** The removal has a time of its own, as long as the case: it happens also after Ctrl-C. */
  readonly limitMs: number;
}

export interface Removed {
  readonly servers: number;
  /** Until the last one was gone; seconds. */
  readonly seconds: number;
  /** Of each request; milliseconds. */
  readonly answersMs: readonly number[];
  readonly lists: number;
  readonly left: number;
}

/** Deletes every server whose name begins with the prefix, and waits until a list shows none. */
export async function removeServers(parts: RemovalParts): Promise<Removed> {
  const deadline = deadlineIn(parts.limitMs, parts.clock);
  return removeWithin(deadline.signal, parts).finally(() => deadline.end());
}

async function removeWithin(limit: AbortSignal, parts: RemovalParts): Promise<Removed> {
  const { cloud, clock, progress, errors, prefix, concurrency, tickMs } = parts;
  const { servers, pages } = await listServers(cloud, prefix, '', limit);
  let lists = pages;
  const began = clock.monotonic();
  const answersMs: number[] = [];
  await spread(servers.length, concurrency, limit, async (index) => {
    const asked = clock.monotonic();
    try {
      await deleteServer(cloud, servers[index]!.id, limit);
      answersMs.push(clock.monotonic() - asked);
      progress.at(answersMs.length, servers.length, 'servers asked to go');
    } catch (error) {
      errors.add(error);
    }
  });
  let left: readonly ListedServer[] = servers;
  for (let askedAt = clock.monotonic(); left.length > 0 && !limit.aborted;) {
    try {
      const listed = await listServers(cloud, prefix, '', limit);
      left = listed.servers;
      lists += listed.pages;
      progress.at(servers.length - left.length, servers.length, 'servers gone');
      if (left.length === 0) break;
      if (clock.monotonic() - askedAt > ASK_AGAIN_MS) {
        askedAt = clock.monotonic();
        await spread(left.length, concurrency, limit, async (index) => deleteServer(cloud, left[index]!.id, limit));
      }
    } catch (error) {
      if (!limit.aborted) errors.add(error);
    }
    await clock.sleep(tickMs, limit).catch(() => undefined);
  }
  if (left.length > 0) errors.add(new Error(`${left.length} servers named ${prefix}* are still there`));
  return { servers: servers.length, seconds: (clock.monotonic() - began) / 1_000, answersMs, lists, left: left.length };
}
