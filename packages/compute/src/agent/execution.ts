import { powerState, type PowerState, type TransferProgress } from '@kilonova/objects';
import type { Clock } from '@kilonova/runtime';
import { canMove, type Driver, type Moves } from '../driver/driver.ts';
import type { Order } from '../ledger/order.ts';
import { finishArrival } from './arrival.ts';
import { attempt, type AttemptLimits } from './attempt.ts';

/** What an order came to, before it is numbered and journalled. */
export interface Ending {
  readonly result: 'done' | 'failed';
  /** Undefined when the order did not tell. */
  readonly power: PowerState | undefined;
  /** Whether there may be a domain now; undefined when the order did not change that. */
  readonly present: boolean | undefined;
  /** Of prepareIncoming: where the guest is to be sent. */
  readonly destination?: string;
  readonly error?: Error;
  /** A driver call that goes on although it was aborted. */
  readonly late?: Promise<unknown>;
}

interface ExecutionLimits {
  readonly clock: Clock;
  readonly abortWaitMs: number;
  readonly cleanupMs: number;
  /** Aborts what is under way, because it was taken back or the agent stops. */
  readonly signal: AbortSignal;
  /** Aborted when a live migration shall be brought to its end. */
  readonly hurry: AbortSignal;
  /** Told how far a guest is that is sent live. */
  readonly onProgress: (progress: TransferProgress) => void;
  /** Power of the domain of the order's generation, as far as the journal knows it. */
  readonly known: PowerState | undefined;
  /** Whether the agent stops: then nothing is taken back, the next agent goes on from the journal. */
  readonly stopping: () => boolean;
}

/** Drives the hypervisor to what the order wants, in bounded time, whatever the driver does. */
export async function carryOut(driver: Driver, order: Order, limits: ExecutionLimits): Promise<Ending> {
  const leftMs = order.acceptedAt + order.allowedMs - limits.clock.now();
  // A removal is worth doing however late it is.
  const allowedMs = order.verb === 'remove' && leftMs <= 0 ? limits.cleanupMs : leftMs;
  const bounds: AttemptLimits = { ...limits, allowedMs };
  const removal = (failed: Ending) => (limits.stopping() ? Promise.resolve(failed) : removeMade(driver, order, failed, limits));
  if (order.verb === 'finishIncoming')
    return finishArrival(driver, order, bounds, {
      ...{ known: limits.known, lookMs: limits.cleanupMs },
      bringUp: () => tryOnce(driver, order, bounds, limits),
      removeMade: removal,
    });
  const ending = await tryOnce(driver, order, bounds, limits);
  return ending.result === 'failed' && MAKES.has(order.verb) ? removal(ending) : ending;
}

async function tryOnce(driver: Driver, order: Order, bounds: AttemptLimits, limits: ExecutionLimits): Promise<Ending> {
  const went = await attempt(bounds, (signal) => drive(driver, order, signal, limits));
  if (went.kind === 'done') {
    const { power = powerState.none, destination } = went.value;
    return { result: 'done', power, present: order.verb !== 'remove', ...(destination !== undefined && { destination }) };
  }
  return {
    result: 'failed',
    power: undefined,
    present: undefined,
    error: went.error,
    ...(went.kind === 'abandoned' ? { late: went.late } : {}),
  };
}

/** What failed at making a domain leaves none behind. */
const MAKES: ReadonlySet<Order['verb']> = new Set(['spawn', 'prepareIncoming']);

/** What a driver said of an order. */
interface Effect {
  readonly power?: PowerState;
  readonly destination?: string;
}

function drive(driver: Driver, order: Order, signal: AbortSignal, { hurry, onProgress }: ExecutionLimits): Promise<Effect> {
  const target = { uuid: order.instanceUuid, generation: order.generation };
  switch (order.verb) {
    case 'spawn':
      return driver.ensureRunning(order.spec, { signal });
    case 'remove':
      return driver.ensureAbsent(target, { signal }).then(() => ({}));
    case 'powerOn':
      return driver.ensureStarted(target, { signal });
    case 'powerOff':
      return driver.ensureStopped(target, { signal, graceMs: order.graceMs });
    case 'reboot':
      return rebootAs(driver, order, signal);
    case 'prepareIncoming':
      return mover(driver).prepareIncoming(order.spec, { signal });
    case 'migrateOut': {
      const { destination, live, graceMs } = order;
      return mover(driver).migrateOut(target, { signal, hurry, onProgress, destination, live, graceMs });
    }
    case 'finishIncoming': {
      const { spec, live, running, sent } = order;
      return mover(driver).finishIncoming(spec, { signal, live, running, sent });
    }
    case 'takeBack':
      return mover(driver).takeBack(order.spec, { signal, running: order.running });
  }
}

/** A domain that a change left behind under an older generation is the instance's all the same: it is made what it shall be, and booted. */
async function rebootAs(driver: Driver, order: Order & { readonly verb: 'reboot' }, signal: AbortSignal): Promise<Effect> {
  const { instanceUuid: uuid, generation, kind, graceMs, spec } = order;
  if (spec && canMove(driver)) await driver.takeBack(spec, { signal, running: false });
  return driver.reboot({ uuid, generation }, { signal, kind, graceMs });
}

/** @throws Error when the driver lacks the ability */
function mover(driver: Driver): Driver & Moves {
  if (!canMove(driver)) throw new Error(`the driver ${driver.name} cannot move guests`);
  return driver;
}

/** A removal beside it may interrupt the order, so this has a signal of its own. */
async function removeMade(driver: Driver, order: Order, failed: Ending, limits: ExecutionLimits): Promise<Ending> {
  const bounds: AttemptLimits = { ...limits, allowedMs: limits.cleanupMs, signal: new AbortController().signal };
  const went = await attempt(bounds, (signal) =>
    driver.ensureAbsent({ uuid: order.instanceUuid, generation: order.generation }, { signal }),
  );
  if (went.kind === 'done') return { ...failed, power: powerState.none, present: false };
  const error = new Error(`${failed.error?.message ?? ''}; its domain could not be removed: ${went.error.message}`, {
    cause: failed.error,
  });
  return { ...failed, present: true, error };
}
