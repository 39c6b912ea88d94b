/** A host that may run a guest is asked again: until when, and not at once when it has just answered. */
import type { LocalWork, TaskItem, Verdict } from '../engine/definition.ts';
import type { TaskServices } from '../services.ts';

export interface Asking {
  /** When it is given up; milliseconds since the epoch. */
  readonly until: number;
  /** Not before this. */
  readonly from: number;
}

type Before = Pick<TaskServices, 'clock' | 'config'>;

/** @param before as it was asked until now; undefined for the first time, which does not wait */
export function nextAsking({ clock, config }: Before, before: Asking | undefined): Asking & { readonly deadlineMs: number } {
  const now = clock.now();
  const until = before?.until ?? now + config.silentMoveDeadlineMs;
  return { until, from: before === undefined ? now : now + config.resendMaxMs, deadlineMs: Math.max(0, until - now) };
}

export const isOver = ({ clock }: Before, asking: Asking): boolean => clock.now() >= asking.until;

/** The step that waits until the host is asked (again). */
export const pause =
  <Params>(askingOf: (params: Params) => Asking | undefined): LocalWork<Params, TaskServices, ReadonlyMap<string, Verdict>> =>
  async (batch, _trx, { services: { clock } }) => {
    const left = (item: TaskItem<Params>) => (askingOf(item.params)?.from ?? 0) - clock.now();
    return new Map(batch.flatMap((item): [string, Verdict][] => (left(item) > 0 ? [[item.id, { waitMs: left(item) }]] : [])));
  };
