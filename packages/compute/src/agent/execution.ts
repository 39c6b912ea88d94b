import { powerState, type PowerState } from '@kilonova/objects';
import type { Clock } from '@kilonova/runtime';
import type { Domain, Driver } from '../driver/driver.ts';
import type { Order } from '../ledger/order.ts';
import { attempt, type AttemptLimits } from './attempt.ts';

/** What an order came to, before it is numbered and journalled. */
export interface Ending {
  readonly result: 'done' | 'failed';
  /** Undefined when the order did not tell. */
  readonly power: PowerState | undefined;
  /** Whether there may be a domain now; undefined when the order did not change that. */
  readonly present: boolean | undefined;
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
  /** Whether the agent stops: then nothing is taken back, the next agent goes on from the journal. */
  readonly stopping: () => boolean;
}

/** Drives the hypervisor to what the order wants, in bounded time, whatever the driver does. */
export async function carryOut(driver: Driver, order: Order, limits: ExecutionLimits): Promise<Ending> {
  const leftMs = order.acceptedAt + order.allowedMs - limits.clock.now();
  // A removal is worth doing however late it is.
  const allowedMs = order.verb === 'remove' && leftMs <= 0 ? limits.cleanupMs : leftMs;
  const went = await attempt({ ...limits, allowedMs }, (signal) => drive(driver, order, signal));
  if (went.kind === 'done') {
    const { value: domain } = went;
    return { result: 'done', power: domain?.power ?? powerState.none, present: order.verb !== 'remove' };
  }
  const failed: Ending = {
    result: 'failed',
    power: undefined,
    present: undefined,
    error: went.error,
    ...(went.kind === 'abandoned' ? { late: went.late } : {}),
  };
  return order.verb === 'spawn' && !limits.stopping() ? takeBackSpawn(driver, order, failed, limits) : failed;
}

function drive(driver: Driver, order: Order, signal: AbortSignal): Promise<Domain | undefined> {
  const target = { uuid: order.instanceUuid, generation: order.generation };
  switch (order.verb) {
    case 'spawn':
      return driver.ensureRunning(order.spec, { signal });
    case 'remove':
      return driver.ensureAbsent(target, { signal }).then(() => undefined);
    case 'powerOn':
      return driver.ensureStarted(target, { signal });
    case 'powerOff':
      return driver.ensureStopped(target, { signal, graceMs: order.graceMs });
    case 'reboot':
      return driver.reboot(target, { signal, kind: order.kind, graceMs: order.graceMs });
  }
}

/** A spawn that failed leaves nothing behind; a removal beside it may interrupt it, so it has a signal of its own. */
async function takeBackSpawn(driver: Driver, order: Order, failed: Ending, limits: ExecutionLimits): Promise<Ending> {
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
