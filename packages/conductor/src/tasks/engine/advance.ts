/**
 * Moves locked tasks as far as rows alone can bring them, within one transaction: local steps, parking, undos, and the
 * first steps of the tasks that follow. Steps run for all tasks at the same step together.
 */
import type { Transaction } from '../../db/connection.ts';
import type { AnyTask, AtEnd, Failure, LocalWork, Step, StepContext, Verdicts } from './definition.ts';
import { StepFailed } from './definition.ts';
import { MovingTask } from './moving-task.ts';
import type { NewTask } from './new-task.ts';

export interface Advance<Services> {
  readonly trx: Transaction;
  /** The definition that a new task of a kind gets. */
  readonly definitionOf: (kind: string) => AnyTask;
  readonly services: Services;
  /** Filled on the way; run them after the commit. */
  readonly afterCommit: (() => void)[];
  /** Local steps that threw StepFailed when they were tried: their tasks unwind instead. By task id. */
  readonly refused: ReadonlyMap<string, { readonly step: number; readonly failure: Failure }>;
  /** How long to wait for a report before the order is said again. */
  readonly resendInMs: (attempts: number) => number;
}

/** What is done behind all steps, and for what. */
type Endings = Map<AtEnd<unknown>, unknown[]>;

/** @returns the given tasks and all that followed. */
export async function advance<Services>(advancing: Advance<Services>, tasks: readonly MovingTask[]): Promise<readonly MovingTask[]> {
  const all = [...tasks];
  const atEnd: Endings = new Map();
  for (let group = nextGroup(all); group !== undefined; group = nextGroup(all)) all.push(...(await moveGroup(advancing, group, atEnd)));
  for (const [last, items] of atEnd) await last(advancing.trx, items);
  return all;
}

/** Tasks that stand at the same place and can move; whoever moves one group may create the next. */
function nextGroup(tasks: readonly MovingTask[]): readonly MovingTask[] | undefined {
  const first = tasks.find(canMove);
  if (first === undefined) return undefined;
  return tasks.filter(
    (task) => canMove(task) && task.definition === first.definition && task.state === first.state && task.step === first.step,
  );
}

const canMove = (task: MovingTask): boolean =>
  task.state === 'unwinding' ||
  (task.state === 'running' && !task.waiting && (task.current?.kind === 'local' || task.current?.kind === 'cast'));

async function moveGroup<Services>(
  advancing: Advance<Services>,
  group: readonly MovingTask[],
  atEnd: Endings,
): Promise<readonly MovingTask[]> {
  const { definition, state, step: index } = group[0]!;
  const step = definition.steps[index];
  if (state === 'unwinding') return takeBack(advancing, group, atEnd, definition, step);
  if (step?.kind === 'cast') {
    const awaiting = definition.steps[index + 1]!;
    for (const task of group) {
      task.park(step.to(task), awaiting.kind === 'await' ? awaiting.deadlineMs(advancing.services) : 0);
      task.wakeInMs = Math.min(advancing.resendInMs(0), task.reportInMs!);
    }
    return [];
  }
  if (step?.kind !== 'local') throw new Error(`${definition.kind} cannot move at step ${index}`);
  const refused = group.filter((task) => advancing.refused.get(task.id)?.step === index);
  if (refused.length > 0) {
    for (const task of refused) task.unwind(advancing.refused.get(task.id)!.failure);
    return [];
  }
  let verdicts: Verdicts | void;
  let followers: readonly MovingTask[];
  try {
    [verdicts, followers] = await work(advancing, step.run, group, atEnd);
  } catch (error) {
    // Its rows are rolled back with the whole transaction; the caller tries again with only this task and the failure.
    if (error instanceof StepFailed && group.length === 1) throw new StepFailedAlone(group[0]!.id, index, error);
    throw error;
  }
  for (const task of group) {
    const verdict = verdicts?.get(task.id);
    if (verdict !== undefined && 'failed' in verdict) task.unwind(verdict.failed);
    else if (verdict !== undefined && 'waitMs' in verdict) task.wait(verdict.waitMs);
    else if (verdict !== undefined && 'goTo' in verdict) task.advance(verdict.output, verdict.goTo);
    else task.advance(verdict?.output);
  }
  return followers;
}

async function takeBack<Services>(
  advancing: Advance<Services>,
  group: readonly MovingTask[],
  atEnd: Endings,
  definition: AnyTask,
  step: Step | undefined,
): Promise<readonly MovingTask[]> {
  if (step === undefined) {
    const [, followers] = await work(advancing, definition.onUnwound, group, atEnd);
    for (const task of group) task.end();
    return followers;
  }
  const undo = step.kind === 'local' || step.kind === 'cast' ? step.undo : undefined;
  const followers = undo === undefined ? [] : (await work(advancing, undo, group, atEnd))[1];
  for (const task of group) task.undone();
  return followers;
}

async function work<Services, Result>(
  { trx, definitionOf, services, afterCommit }: Advance<Services>,
  act: LocalWork<never, never, Result>,
  group: readonly MovingTask[],
  atEnd: Endings,
): Promise<readonly [Result, readonly MovingTask[]]> {
  const following: NewTask[] = [];
  const context: StepContext<Services> = {
    services,
    follow: (task) => void following.push(task),
    atEnd: (last, items) => {
      const key = last as AtEnd<unknown>;
      atEnd.set(key, [...(atEnd.get(key) ?? []), ...items]);
    },
    afterCommit: (later) => void afterCommit.push(later),
  };
  const result = await (act as LocalWork<object, Services, Result>)(group, trx, context);
  return [result, following.map((task) => MovingTask.create(task, definitionOf(task.kind)))];
}

/** One task's local step says that it can never work. */
export class StepFailedAlone extends Error {
  readonly taskId: string;
  readonly step: number;
  readonly failed: StepFailed;

  constructor(taskId: string, step: number, failed: StepFailed) {
    super(failed.message);
    this.taskId = taskId;
    this.step = step;
    this.failed = failed;
  }
}
