import { addActions, type EventEnd, type EventStart, finishEvents, type NewAction, startEvents } from '../db/action-events.ts';
import type { Transaction } from '../db/connection.ts';
import { changeInstances, type InstanceChange, type InstanceRow } from '../db/instance-changes.ts';
import { releaseUsage } from '../db/quota-usages.ts';
import { changeMigrations } from '../db/server-migrations.ts';
import type { Services } from '../services.ts';
import type { CancelIntent } from './engine/definition.ts';
import type { NewTask } from './engine/new-task.ts';
import { endInstances } from './instance-endings.ts';
import type { GoOn } from './engine/go-on.ts';
import type { Unbegun } from './taken-over.ts';

/** What accepted actions write, collected first, so that those of many requests share their statements. */
export class ActionWrites {
  readonly #changes: InstanceChange[] = [];
  readonly #ended: InstanceRow[] = [];
  readonly #actions: NewAction[] = [];
  readonly #starts: EventStart[] = [];
  readonly #ends: EventEnd[] = [];
  readonly #tasks: NewTask[] = [];
  readonly #unbegunMigrations: string[] = [];
  readonly #cancels: { readonly taskId: string; readonly intent: CancelIntent }[] = [];

  /** The action, and its first event, which goes on. */
  record(action: NewAction, event?: { readonly event: string; readonly host: string | null }): void {
    this.#actions.push(action);
    if (event !== undefined) this.#starts.push({ instanceUuid: action.instanceUuid, requestId: action.requestId, ...event });
  }

  change(change: InstanceChange): void {
    this.#changes.push(change);
  }

  /** Deleted at once: nobody has to be asked. */
  end(instance: InstanceRow, event: EventEnd): void {
    this.#ended.push(instance);
    this.#ends.push(event);
  }

  /** What another request had taken over the task for, and never comes to. */
  giveUp({ event, migrationUuid }: Unbegun): void {
    this.#ends.push(event);
    if (migrationUuid !== undefined) this.#unbegunMigrations.push(migrationUuid);
  }

  start(task: NewTask): void {
    this.#tasks.push(task);
  }

  /** Instead of the (locked) task. */
  cancel(taskId: string, intent: CancelIntent): void {
    this.#cancels.push({ taskId, intent });
  }

  /** @returns drives the tasks on after the commit */
  async write({ engine }: Pick<Services, 'engine'>, trx: Transaction): Promise<GoOn> {
    await addActions(trx, this.#actions);
    await startEvents(trx, this.#starts);
    await changeInstances(trx, this.#changes);
    const freed = await endInstances(trx, this.#ended);
    await finishEvents(trx, this.#ends);
    await changeMigrations(
      trx,
      this.#unbegunMigrations.map((uuid) => ({ uuid, status: 'error' })),
    );
    for (const { taskId, intent } of this.#cancels) await engine.cancel(trx, taskId, intent);
    const begin = await engine.createTasks(trx, this.#tasks);
    await releaseUsage(trx, freed);
    return (commit) => {
      engine.wake(this.#cancels.map(({ taskId }) => taskId));
      begin(commit);
    };
  }
}
