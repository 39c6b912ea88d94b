import type { schedulerContract } from '@kilonova/objects';
import type { Client } from '@kilonova/rpc';
import type { Random, Clock, Logger } from '@kilonova/runtime';
import type { Registry } from 'prom-client';
import type { ConductorSettings } from './config.ts';
import type { Database, Transaction } from './db/connection.ts';
import type { CancelIntent } from './tasks/engine/definition.ts';
import type { NewTask } from './tasks/engine/new-task.ts';
import type { GoOn } from './tasks/engine/go-on.ts';

/** Tells schedulers about hosts, after the commit of the transaction that touched them. */
export interface HostChangePublisher {
  hostsTouched(hosts: Iterable<string>): void;
}

/** What request handlers need of the task engine. */
export interface TaskStarter {
  /**
   * Writes the tasks' rows; owned by this conductor at once.
   *
   * @returns to be called after the commit: drives these tasks now. Forgetting it costs only time.
   */
  createTasks(trx: Transaction, tasks: readonly NewTask[]): Promise<GoOn>;
  /** Writes what shall happen instead of a live task, which the transaction has locked, and makes it this conductor's. */
  cancel(trx: Transaction, taskId: string, intent: CancelIntent): Promise<void>;
  /** Whether every living conductor knows tasks of this kind. */
  knows(kind: string): boolean;
  /** After the commit: looks at these tasks now. Forgetting it costs only time. */
  wake(taskIds: readonly string[]): void;
  /** After hosts (re)registered: orders to them that are not answered yet are sent again. */
  hostsReturned(hosts: readonly string[]): Promise<void>;
}

/** What every handler gets. */
export interface Services {
  readonly knex: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly config: ConductorSettings;
  readonly engine: TaskStarter;
  readonly publisher: HostChangePublisher;
  readonly scheduler: Pick<Client<typeof schedulerContract>, 'selectDestinations'>;
}
