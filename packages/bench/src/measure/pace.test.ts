import { expect, test } from 'vitest';
import { paced } from './pace.ts';

/** What is done takes as long as `lasting` says, one after the other; gives when each began. */
async function beginnings(everyMs: number, lasting: readonly number[]): Promise<readonly number[]> {
  let now = 1_000;
  const clock = { monotonic: () => now, sleep: async (ms: number) => void (now += ms) };
  const over = new AbortController();
  const begun: number[] = [];
  await paced(everyMs, clock, over.signal, async (began) => {
    now += lasting[begun.length]!;
    if (begun.push(began - 1_000) === lasting.length) over.abort();
  });
  return begun;
}

test('it begins at the pace, and one that takes longer is followed at once', async () => {
  expect(await beginnings(100, [10, 100, 250, 0, 1])).toEqual([0, 100, 200, 450, 550]);
});

test('without a pace each follows at once', async () => {
  expect(await beginnings(0, [10, 5, 7])).toEqual([0, 10, 15]);
});

test('the wait ends with the signal', async () => {
  const over = new AbortController();
  let times = 0;
  const clock = {
    monotonic: () => 0,
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason as Error))),
  };
  const running = paced(60_000, clock, over.signal, async () => void (times += 1));
  await Promise.resolve();
  over.abort();
  await running;
  expect(times).toBe(1);
});
