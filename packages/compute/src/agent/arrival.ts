import { powerState, type PowerState } from '@kilonova/objects';
import { type Driver, NoSuchDomain } from '../driver/driver.ts';
import type { Order } from '../ledger/order.ts';
import { attempt, type AttemptLimits, OutOfTime } from './attempt.ts';
import type { Ending } from './execution.ts';

/** How the domain of an arrived guest is to be brought up, and removed. */
export interface ArrivalSteps {
  /** As far as the journal knows it; undefined when it knows of no domain of that generation. */
  readonly known: PowerState | undefined;
  /** How long a look at the hypervisor may take; milliseconds. */
  readonly lookMs: number;
  bringUp(): Promise<Ending>;
  /** Takes back what this attempt made. */
  removeMade(failed: Ending): Promise<Ending>;
}

/**
 * Brings a guest up that was sent here. It may have been up before: by an order whose outcome was lost with the agent, or that the
 * conductor never heard of. Then it is the only one with what was written since, so it is neither started anew nor removed,
 * whatever goes wrong; what is told with a failure says that it is there.
 */
export async function finishArrival(driver: Driver, order: Order, limits: AttemptLimits, steps: ArrivalSteps): Promise<Ending> {
  const looked = await attempt({ ...limits, allowedMs: steps.lookMs }, () => powerOf(driver, order));
  const power = looked.kind === 'done' ? looked.value : steps.known;
  const arrived = power !== undefined && power !== powerState.none;
  // A guest that its user shut down stays so; one that is defined and was never seen to run may have been cut off in between.
  const finished = steps.known !== undefined && steps.known !== powerState.none;
  if (arrived && (finished || power !== powerState.shutdown)) return { result: 'done', power, present: true };
  if (limits.allowedMs <= 0) return { result: 'failed', power, present: undefined, error: new OutOfTime('no time was left to begin') };
  const ending = await steps.bringUp();
  if (ending.result === 'done') return ending;
  const mayBeThere = arrived || looked.kind !== 'done';
  return mayBeThere && !(ending.error instanceof NoSuchDomain) ? { ...ending, power } : steps.removeMade(ending);
}

async function powerOf(driver: Driver, { instanceUuid, generation }: Order): Promise<PowerState> {
  const domain = (await driver.list()).find((one) => one.uuid === instanceUuid && one.generation === generation);
  return domain?.power ?? powerState.none;
}
