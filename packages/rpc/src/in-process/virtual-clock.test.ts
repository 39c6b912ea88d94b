import { expect, test } from 'vitest';
import { VirtualClock } from '../index.ts';

test('timers come in the order of their times, and those of one moment as they were set', async () => {
  const clock = new VirtualClock(1_000);
  const seen: string[] = [];
  const note = (name: string) => () => void seen.push(`${name} at ${clock.now()}`);
  clock.after(20, note('late'));
  clock.after(10, note('first'));
  clock.after(10, note('second'));
  clock.after(30, note('after the end'));
  clock.after(5, note('cancelled'))();
  await clock.advance(25);
  expect(seen).toEqual(['first at 1010', 'second at 1010', 'late at 1020']);
  expect([clock.now(), clock.monotonic(), clock.pending]).toEqual([1_025, 25, 1]);
});

test('what a timer wakes may sleep again within the same advance', async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  void (async () => {
    for (let round = 0; round < 3; round++) {
      await clock.sleep(10);
      seen.push(clock.monotonic());
    }
  })();
  await clock.advance(30);
  expect(seen).toEqual([10, 20, 30]);
});

test('until gives the outcome of work and the time that it took', async () => {
  const clock = new VirtualClock();
  expect(await clock.until(clock.sleep(3_000).then(() => 'done'))).toBe('done');
  expect(clock.monotonic()).toBe(3_000);
  await expect(clock.until(clock.sleep(10).then(() => Promise.reject(new Error('as it failed'))))).rejects.toThrow('as it failed');
});

test('until gives up on work that waits for nothing, or for too long', async () => {
  const clock = new VirtualClock();
  await expect(clock.until(new Promise(() => undefined))).rejects.toThrow('nothing more happens within 3600000 ms');
  await expect(clock.until(clock.sleep(1_000), 999)).rejects.toThrow(
    'nothing more happens within 999 ms of the virtual clock (1 timers later)',
  );
});

test('time stands still until what the test names is over', async () => {
  let answer: () => void = () => undefined;
  const asked = new Promise<void>((settle) => (answer = settle));
  const seen: string[] = [];
  const clock = new VirtualClock(0, { idle: () => asked });
  clock.after(1, () => void seen.push('the timer'));
  const passed = clock.advance(1_000);
  await new Promise((settle) => setImmediate(settle));
  expect([clock.now(), seen]).toEqual([0, []]);
  answer();
  await passed;
  expect([clock.now(), seen]).toEqual([1_000, ['the timer']]);
});

test('an aborted sleep rejects with the reason and leaves no timer', async () => {
  const clock = new VirtualClock();
  const end = new AbortController();
  const sleep = clock.sleep(1_000, end.signal);
  end.abort(new Error('enough'));
  await expect(sleep).rejects.toThrow('enough');
  await expect(clock.sleep(1_000, end.signal)).rejects.toThrow('enough');
  expect(clock.pending).toBe(0);
});
