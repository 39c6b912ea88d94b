import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import type { Logger } from './log.ts';

/**
 * `npm start` hands Ctrl-C on to a process that the terminal has already sent it to: two signals so close together
 * are one wish.
 */
const SAME_WISH_MS = 500;
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

export interface LifecycleOptions {
  /** Ends everything; what it throws is logged and makes the exit code 1. */
  readonly stop: () => Promise<void>;
  /** The longest a graceful stop may take. */
  readonly graceMs: number;
  readonly log: Logger;
  /** Settles with the reason when something the process cannot live without has ended by itself. */
  readonly broken?: Promise<string>;
  readonly clock?: Clock;
  /** Ends the process at once; replaced in tests. */
  readonly exitNow?: (code: number) => void;
}

/**
 * Waits for SIGTERM, SIGINT or SIGHUP, stops gracefully within `graceMs`, and returns the exit code: 0, or 1 when
 * something broke or the stop failed or took too long. A second signal ends the process at once with 130.
 */
export async function runUntilSignal({
  stop,
  graceMs,
  log,
  broken,
  clock = systemClock,
  exitNow = (code) => process.exit(code),
}: LifecycleOptions): Promise<number> {
  let firstAt: number | undefined;
  let wake: (end: { reason: string; code: number }) => void = () => undefined;
  const ended = new Promise<{ reason: string; code: number }>((settle) => (wake = settle));

  const onSignal = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = clock.monotonic();
      wake({ reason: signal, code: 0 });
    } else if (clock.monotonic() - firstAt > SAME_WISH_MS) {
      exitNow(130);
    }
  };
  const onException = (error: unknown) => {
    log.error({ err: error }, 'an error nobody handled');
    if (firstAt !== undefined) return;
    firstAt = clock.monotonic();
    wake({ reason: 'an error nobody handled', code: 1 });
  };
  // A terminal that is gone must not keep the rest from being stopped.
  const onOutputError = () => undefined;
  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.on('uncaughtException', onException);
  process.stdout.on('error', onOutputError);
  process.stderr.on('error', onOutputError);
  void broken?.then((reason) => wake({ reason, code: 1 }));

  const { reason, code } = await ended;
  log.info({ reason, graceMs }, 'stopping');
  let cancel: () => void = () => undefined;
  const late = new Promise<number>((settle) => {
    cancel = clock.after(graceMs, () => {
      log.error({ graceMs }, 'the stop took too long');
      settle(1);
    });
  });
  const stopped = stop().then(
    () => code,
    (error: unknown) => {
      log.error({ err: error }, 'the stop failed');
      return 1;
    },
  );
  try {
    return await Promise.race([stopped, late]);
  } finally {
    cancel();
    for (const signal of SIGNALS) process.off(signal, onSignal);
    process.off('uncaughtException', onException);
    process.stdout.off('error', onOutputError);
    process.stderr.off('error', onOutputError);
  }
}

/** Runs every stop, the last started first, also when one of them fails; then throws what failed. */
export async function stopAll(stops: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const stop of stops.toReversed()) await stop().catch((error: unknown) => failures.push(error));
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, failures.map((failure) => (failure as Error).message).join('; '));
}
