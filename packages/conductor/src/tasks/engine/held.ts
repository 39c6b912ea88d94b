import type { MovingTask } from './moving-task.ts';
import type { Carry } from './receive.ts';

/**
 * A task in hand: queued or at work here. What is remembered of it stands nowhere else, so that nothing is kept of a task
 * that ended, or that another conductor moved on.
 */
export interface Held {
  key: string;
  /** It was woken once more meanwhile. */
  again: boolean;
  /** It is out asking, or the answer waits to be written. Only the answer to what was asked last counts. */
  asked: MovingTask | undefined;
  /** The answer. */
  carry: Carry | undefined;
  /** How often it went wrong since it was moved. */
  troubles: number;
}

export const heldAs = (key: string): Held => ({ key, again: false, asked: undefined, carry: undefined, troubles: 0 });

/** Nobody waits for an answer any more. */
export function forgetCarry(held: Held | undefined): void {
  if (held === undefined) return;
  held.asked = undefined;
  held.carry = undefined;
}
