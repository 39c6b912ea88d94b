import { expect, test } from 'vitest';
import { environment, type Clock } from '../environment.ts';
import { call, defineContract, Empty, Unreachable } from '../index.ts';
import { RetryBudget, withRetries } from './retry.ts';

test('retry is refused where a repeat may do harm, and for numbers that cannot work', () => {
  const contract = (method: Partial<Parameters<typeof call>[0]>) => () =>
    defineContract({
      topic: 'work',
      version: '1.0',
      methods: { ask: call({ since: '1.0', request: Empty, response: Empty, ...method }) },
    });
  expect(contract({ retry: { attempts: 3 } })).toThrow(/work\.ask: retry needs idempotent/);
  expect(contract({ retry: { attempts: 1 }, idempotent: true })).toThrow(/retry\.attempts: expected a whole number of at least 2, got 1/);
  expect(contract({ retry: { attempts: 2, baseMs: 10, capMs: 5 }, idempotent: true })).toThrow(/baseMs/);
  expect(contract({ retry: { attempts: 2 }, idempotent: true })).not.toThrow();
  expect(() => new RetryBudget({ ratio: -1 })).toThrow(/retryBudget/);
});

test('a budget lets the burst through at once, and then its share of the calls', () => {
  const budget = new RetryBudget({ ratio: 0.1, burst: 3 });
  expect([1, 2, 3, 4].map(() => budget.spend())).toEqual([true, true, true, false]);
  for (let calls = 0; calls < 9; calls++) budget.earn();
  expect(budget.spend()).toBe(false);
  budget.earn();
  expect(budget.spend()).toBe(true);
  for (let calls = 0; calls < 1_000; calls++) budget.earn();
  expect([1, 2, 3, 4].map(() => budget.spend())).toEqual([true, true, true, false]);
});

test('the bounds of the waits double up to the cap, and chance chooses below them', async () => {
  const waits: number[] = [];
  let now = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: () => () => undefined,
    sleep: async (ms) => {
      waits.push(ms);
      now += ms;
    },
  };
  const draws = [1, 1, 1, 0.5, 0];
  const plan = {
    policy: { attempts: 6, baseMs: 100, capMs: 400 },
    budget: new RetryBudget(),
    timeoutMs: 10_000,
    signal: undefined,
    labels: {},
  };
  const remaining: number[] = [];
  const failing = withRetries(environment({ clock, random: { next: () => draws.shift() ?? 0, uuid: () => '' } }), plan, (remainingMs) => {
    remaining.push(remainingMs);
    return Promise.reject(new Unreachable('nobody'));
  });
  await expect(failing).rejects.toThrow('nobody');
  expect(waits).toEqual([100, 200, 400, 200, 0]);
  expect(remaining).toEqual([10_000, 9_900, 9_700, 9_300, 9_100, 9_100]);
});
