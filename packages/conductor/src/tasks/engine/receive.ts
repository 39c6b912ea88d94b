import { cancelledBy, type Failure } from './definition.ts';
import type { MovingTask } from './moving-task.ts';

/** What a call step brought, to be written with what comes next. */
export type Carry = { readonly step: number } & ({ readonly output: unknown } | { readonly failure: Failure });

export interface Reception {
  readonly carry: Carry | undefined;
  readonly inquiryMs: number;
  readonly resendInMs: (attempts: number) => number;
}

/** What becomes of a task that was just locked, before its steps run: intents, deadlines, answers, overdue reports. */
export function receive(task: MovingTask, reception: Reception): void {
  if (task.state === 'unwinding') return;
  if (task.cancel !== null) return task.unwind(cancelledBy(task.cancel.kind));
  if (task.state === 'parked') return remind(task, reception);
  const { carry } = reception;
  if (carry !== undefined && carry.step === task.step) {
    if ('failure' in carry) task.unwind(carry.failure);
    else task.advance(carry.output ?? null);
    return;
  }
  // Rows can still be written after the deadline; only what did not work by then is given up.
  const hopeless = task.current?.kind === 'call' || task.attempts > 0;
  if (task.deadlineInMs <= 0 && hopeless) task.unwind({ message: 'The request was not done in time.', unanswered: true });
}

/** No report yet: the order may be lost, so it is said again; when it is overdue the host is asked before it is given up. */
function remind(task: MovingTask, { inquiryMs, resendInMs }: Reception): void {
  task.changed = true;
  const leftMs = task.reportInMs ?? 0;
  if (leftMs > 0) {
    task.attempts += 1;
    task.order = 'send';
    task.wakeInMs = Math.min(resendInMs(task.attempts), leftMs);
    return;
  }
  if (!task.inquired) {
    task.inquired = true;
    task.order = 'inquire';
    task.wakeInMs = inquiryMs;
    return;
  }
  const { awaitsHost, hostForcedDown } = task;
  const failure = hostForcedDown
    ? { message: `Host ${awaitsHost} is forced down.`, unanswered: true, forcedDown: true }
    : { message: `Host ${awaitsHost} did not answer in time.`, unanswered: true };
  task.settle({ outcome: 'failed', failure, power: 0 });
}
