import type { Clock, Logger } from '@kilonova/runtime';
import type { Database } from '../db/connection.ts';
import { countLiveOf } from '../db/tasks.ts';
import type { Definitions } from '../tasks/engine/definition.ts';
import type { PeerVersions } from './peers.ts';

export interface HandOverParts {
  readonly knex: Database;
  readonly clock: Clock;
  readonly log: Logger;
  readonly versions: PeerVersions;
  readonly definitions: Definitions;
  /** Milliseconds. */
  readonly waitMs: number;
}

const LOOK_MS = 100;

/**
 * Before a conductor stops beside one of the release before: that one leaves alone the tasks that it does not know, and nobody else may
 * be there. So they end first. While that goes on nothing else stops, and no more of them are made.
 */
export async function endNewerTasks({ knex, clock, log, versions, definitions, waitMs }: HandOverParts): Promise<void> {
  const endsAt = clock.monotonic() + waitMs;
  try {
    await versions.refresh();
    const newer = definitions.newerThan(versions.conductorMinor);
    if (newer.length === 0) return;
    for (let told = false; ; told = true) {
      const left = await countLiveOf(knex, newer);
      if (left === 0) return;
      if (clock.monotonic() >= endsAt) {
        log.warn({ tasks: left }, 'stops before tasks that only its own release knows: they wait for a conductor of it');
        return;
      }
      if (!told) log.info({ tasks: left, waitMs }, 'waits for tasks that a conductor of the release before does not know');
      await clock.sleep(LOOK_MS);
    }
  } catch (error) {
    log.warn({ error: String(error) }, 'stops without knowing whether others know its tasks');
  }
}
