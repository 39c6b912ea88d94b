import type { TaskChange, TaskRow, TaskState } from '../../db/tasks.ts';
import { cancelledBy, type AnyTask, type CancelIntent, type Failure, type ReportOutcome, type Step, type TaskItem } from './definition.ts';
import type { NewTask } from './new-task.ts';

/** A task while its transaction moves it. What it becomes is written in one piece at the end. */
export class MovingTask implements TaskItem<object> {
  readonly id: string;
  readonly instanceUuid: string | null;
  readonly requestId: string;
  readonly params: object;
  readonly cancel: CancelIntent | null;
  readonly definition: AnyTask;
  /** Not in the database yet. */
  readonly fresh: NewTask | null;
  readonly deadlineInMs: number;
  outputs: Record<string, unknown>;
  failure: Failure | null;
  state: TaskState;
  step: number;
  awaits: string | null;
  awaitsHost: string | null;
  readonly hostForcedDown: boolean;
  /** Milliseconds; as read, or as set by parking. */
  reportInMs: number | null;
  reportMoved = false;
  inquired: boolean;
  attempts: number;
  wakeInMs: number | null = null;
  changed = false;
  /** The current step has nothing to do yet. */
  waiting = false;
  /** What to do after the commit, besides driving it on. */
  order: 'send' | 'inquire' | null = null;

  constructor(row: TaskRow, definition: AnyTask, fresh: NewTask | null = null) {
    this.id = row.id;
    this.instanceUuid = row.instanceUuid;
    this.requestId = row.requestId;
    this.params = row.params;
    this.cancel = row.cancel;
    this.definition = definition;
    this.fresh = fresh;
    this.deadlineInMs = row.deadlineInMs;
    this.outputs = { ...row.outputs };
    this.failure = row.failure;
    this.state = row.state;
    this.step = row.step;
    this.awaits = row.awaits;
    this.awaitsHost = row.awaitsHost;
    this.hostForcedDown = row.hostForcedDown;
    this.reportInMs = row.reportInMs;
    this.inquired = row.inquired;
    this.attempts = row.attempts;
  }

  static create(task: NewTask, definition: AnyTask): MovingTask {
    return new MovingTask(
      {
        ...{ id: task.id, kind: task.kind, version: definition.version, instanceUuid: task.instanceUuid, requestId: task.requestId },
        ...{
          state: 'running',
          step: 0,
          params: task.params,
          outputs: {},
          awaits: null,
          awaitsHost: null,
          hostForcedDown: false,
          reportInMs: null,
          inquired: false,
        },
        ...{ deadlineInMs: task.deadlineMs, cancel: null, attempts: 0, failure: null },
      },
      definition,
      task,
    );
  }

  get current(): Step | undefined {
    return this.definition.steps[this.step];
  }

  get live(): boolean {
    return this.state === 'running' || this.state === 'parked' || this.state === 'unwinding';
  }

  /** The current step is done. */
  advance(output: unknown, goTo?: string): void {
    const { steps } = this.definition;
    const step = steps[this.step]!;
    if (output !== undefined) this.outputs[step.name] = output;
    if (goTo === undefined) this.step += 1;
    else {
      const target = steps.findIndex(({ name }) => name === goTo);
      if (target === -1) throw new TypeError(`${this.definition.kind}.${step.name} goes to ${goTo}, which is no step`);
      this.step = target;
    }
    this.#resume(this.step === steps.length ? 'done' : 'running');
  }

  /** The current step runs again later; at the deadline it is given up. */
  wait(ms: number): void {
    if (this.deadlineInMs <= 0) return this.unwind({ message: 'The request was not done in time.' });
    this.waiting = true;
    this.wakeInMs = Math.min(ms, this.deadlineInMs);
    this.changed = true;
  }

  /** From now on it is taken back, beginning with the step before the current one. */
  unwind(failure: Failure): void {
    this.failure = failure;
    this.step -= 1;
    this.#resume('unwinding');
  }

  undone(): void {
    this.step -= 1;
    this.changed = true;
  }

  end(): void {
    this.#resume('failed');
  }

  park(host: string, deadlineMs: number): void {
    this.awaits = operationIdOf(this.id, this.current!.name);
    this.awaitsHost = host;
    this.step += 1;
    this.reportInMs = Math.max(0, Math.min(deadlineMs, this.deadlineInMs));
    this.reportMoved = true;
    this.inquired = false;
    this.attempts = 0;
    this.state = 'parked';
    this.order = 'send';
    this.changed = true;
  }

  /** The awaited operation ended. */
  settle(outcome: ReportOutcome): void {
    const step = this.current!;
    if (this.cancel !== null) {
      // However it ended: something else was asked for before anybody heard of it.
      this.outputs[step.name] = outcome;
      return this.unwind(cancelledBy(this.cancel.kind));
    }
    if (outcome.outcome === 'failed' && step.kind === 'await' && step.onFailure === 'unwind') {
      this.outputs[step.name] = outcome;
      this.unwind(outcome.failure ?? { message: 'the host reported a failure' });
    } else this.advance(outcome);
  }

  #resume(state: TaskState): void {
    this.state = state;
    this.awaits = null;
    this.awaitsHost = null;
    this.reportInMs = null;
    this.inquired = false;
    this.attempts = 0;
    this.order = null;
    this.changed = true;
  }

  /** @param strandedMs when a task that nothing moves is looked at again */
  change(strandedMs: number): TaskChange {
    return {
      ...{ id: this.id, state: this.state, step: this.step, outputs: this.outputs, awaits: this.awaits, awaitsHost: this.awaitsHost },
      ...{ reportInMs: this.reportMoved ? this.reportInMs : null, inquired: this.inquired, attempts: this.attempts, failure: this.failure },
      wakeInMs: this.wakeInMs ?? strandedMs,
    };
  }
}

const operationIdOf = (taskId: string, step: string) => `${taskId}/${step}`;

/** The task that an operation belongs to; undefined when it is no task's. */
export const taskIdOf = (operationId: string): string | undefined => /^([0-9a-f-]{36})\/[^/]+$/.exec(operationId)?.[1];
