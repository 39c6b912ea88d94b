import { systemClock } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { deadlineIn } from './deadline.ts';

test('a loop that only looks at the signal ends, also when garbage is collected meanwhile', { timeout: 20_000 }, async () => {
  const outer = deadlineIn(60_000, systemClock);
  const { signal, end } = deadlineIn(300, systemClock, outer.signal);
  let kept: object[] = [];
  while (!signal.aborted) {
    kept = Array.from({ length: 10_000 }, (_, index) => ({ index, kept: kept.length }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  end();
  outer.end();
  expect((signal.reason as Error).message).toBe('not done within 300 ms');
});

test('the other signal ends it too, before or afterwards', () => {
  const before = AbortSignal.abort(new Error('over'));
  const first = deadlineIn(60_000, systemClock, before);
  expect(first.signal.aborted).toBe(true);
  first.end();
  const controller = new AbortController();
  const second = deadlineIn(60_000, systemClock, controller.signal);
  controller.abort(new Error('interrupted'));
  expect((second.signal.reason as Error).message).toBe('interrupted');
  second.end();
});
