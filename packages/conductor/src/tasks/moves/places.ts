/**
 * A host sends only so many guests live at the same time. Who comes first goes first: a place is a migration of the host
 * that is being prepared, runs or ends, and the others are queued.
 */
import type { LiveQueues, QueuedMigration } from '../../db/live-queue.ts';
import { wakeLiveQueues } from '../../db/live-queue.ts';
import type { StepContext } from '../engine/definition.ts';
import type { TaskServices } from '../services.ts';

/** Times the usual wait that the last ones in a long queue look again after. */
const LONGEST_WAIT = 30;

export interface PlaceDecision {
  /** Migrations that may begin, by uuid. */
  readonly granted: ReadonlySet<string>;
  /** How many are before each of the others, by uuid. */
  readonly ahead: ReadonlyMap<string, number>;
}

/** @param places of each host; 0 is unlimited. Pure. */
export function decidePlaces({ taken, waiting }: LiveQueues, places: number): PlaceDecision {
  const granted = new Set<string>();
  const ahead = new Map<string, number>();
  const byHost = new Map<string, QueuedMigration[]>();
  for (const migration of waiting) byHost.set(migration.host, [...(byHost.get(migration.host) ?? []), migration]);
  for (const [host, migrations] of byHost) {
    const free = places === 0 ? Infinity : Math.max(0, places - (taken.get(host) ?? 0));
    for (const [index, { uuid }] of migrations.entries()) {
      if (index < free) granted.add(uuid);
      else ahead.set(uuid, index - free);
    }
  }
  return { granted, ahead };
}

/** How long one that is queued waits before it looks by itself: whoever ends wakes it sooner. */
export const queueWaitMs = (ahead: number, lookMs: number): number => lookMs * Math.min(ahead + 1, LONGEST_WAIT);

/** After the commit: places of these hosts may be free. When that gets lost, those in the queue look by themselves. */
export function offerPlaces(hosts: readonly string[], { afterCommit, services: { knex, config, log } }: StepContext<TaskServices>): void {
  if (hosts.length === 0 || config.maxConcurrentLiveMigrations === 0) return;
  afterCommit(() => {
    wakeLiveQueues(knex, hosts, config.maxConcurrentLiveMigrations).catch((error: unknown) =>
      log.debug({ error: String(error) }, 'queued migrations not woken'),
    );
  });
}
