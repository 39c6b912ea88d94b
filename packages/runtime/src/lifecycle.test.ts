import { expect, test } from 'vitest';
import { runUntilSignal, stopAll } from './lifecycle.ts';
import { silentLogger } from './log.ts';
import type { Clock } from './clock.ts';

/** Time that moves only when told. */
const handClock = () => {
  let now = 0;
  const timers: { at: number; act: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: (ms, act) => {
      const timer = { at: now + ms, act };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
    sleep: () => Promise.reject(new Error('not needed')),
  };
  const advance = (ms: number) => {
    now += ms;
    for (const timer of timers.filter(({ at }) => at <= now)) timer.act();
  };
  return { clock, advance };
};

const started = (stop: () => Promise<void>) => {
  const { clock, advance } = handClock();
  const exits: number[] = [];
  const code = runUntilSignal({ stop, graceMs: 4_000, log: silentLogger, clock, exitNow: (exit) => exits.push(exit) });
  return { code, advance, exits, signal: (name: NodeJS.Signals) => process.emit(name, name) };
};
const never = () => new Promise<void>(() => undefined);
const turn = () => new Promise((settle) => setImmediate(settle));

test('the first signal stops gracefully with code 0', async () => {
  let stops = 0;
  const run = started(async () => void (stops += 1));
  run.signal('SIGTERM');
  expect(await run.code).toBe(0);
  expect(stops).toBe(1);
});

test('a stop that takes too long ends with code 1', async () => {
  const run = started(never);
  run.signal('SIGINT');
  await turn();
  run.advance(4_000);
  expect(await run.code).toBe(1);
});

test('a failing stop ends with code 1', async () => {
  const run = started(() => Promise.reject(new Error('broken')));
  run.signal('SIGINT');
  expect(await run.code).toBe(1);
});

test('a second signal ends the process at once, but not one that is the echo of the first', async () => {
  const run = started(never);
  run.signal('SIGINT');
  run.advance(100);
  run.signal('SIGINT');
  expect(run.exits).toEqual([]);
  run.advance(1_000);
  run.signal('SIGINT');
  expect(run.exits).toEqual([130]);
  await turn();
  run.advance(4_000);
  await run.code;
});

test('something that breaks stops the rest with code 1', async () => {
  let stopped = false;
  const code = runUntilSignal({
    stop: async () => void (stopped = true),
    graceMs: 4_000,
    log: silentLogger,
    broken: Promise.resolve('PostgreSQL ended'),
  });
  expect(await code).toBe(1);
  expect(stopped).toBe(true);
});

test('everything is stopped, the last started first, also when one stop fails', async () => {
  const order: string[] = [];
  const stops = ['database', 'broker', 'api'].map((name) => async () => {
    order.push(name);
    if (name === 'broker') throw new Error('the broker is gone');
  });
  await expect(stopAll(stops)).rejects.toThrow('the broker is gone');
  expect(order).toEqual(['api', 'broker', 'database']);
});
