import type { computeContract, schedulerContract } from '@kilonova/objects';
import type { Clock, Logger, Random } from '@kilonova/runtime';
import type { Client } from '@kilonova/rpc';
import type { ConductorConfig } from '../config.ts';
import type { Database } from '../db/connection.ts';
import type { HostChangePublisher } from '../services.ts';
import type { ClaimCounts } from './claim-counts.ts';
import type { HostQuestions } from './host-questions.ts';

/** What the steps of tasks get. */
export interface TaskServices {
  readonly knex: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly config: ConductorConfig;
  readonly publisher: HostChangePublisher;
  readonly scheduler: Pick<Client<typeof schedulerContract>, 'selectDestinations'>;
  /** What creates ask of the scheduler. */
  readonly questions: Pick<HostQuestions, 'ask'>;
  readonly claims: Pick<ClaimCounts, 'add'>;
  readonly compute: Pick<Client<typeof computeContract>, 'at'>;
  /** Whether every living conductor knows tasks of this kind: others are not made. */
  knows(kind: string): boolean;
  /** Told that something was left behind on a host: it looks at once. */
  readonly cleaner: { ring(): void };
}
