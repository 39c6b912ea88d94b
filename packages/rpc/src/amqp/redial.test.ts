import { describe, expect, test } from 'vitest';
import { Redial } from './redial.ts';

const SECOND = 1_000;
const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5672'), { code: 'ECONNREFUSED' });
const late = new Error('Socket closed abruptly during opening handshake');

const redial = (next: () => number, addresses = 1) => new Redial({ addresses, retryBaseMs: 100, retryCapMs: 1_000 }, { next });

describe('a process by itself', () => {
  test('waits up to the base, then up to twice as long each time, up to the cap', () => {
    const one = redial(() => 1);
    expect([one.lost(), one.failed(refused), one.failed(late), one.failed(refused), one.failed(late), one.failed(late)]).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ]);
    one.succeeded();
    expect(one.lost()).toBe(100);
  });

  test.each([0.01, 0.5, 0.99])('that starts tries again shortly before it would give up, however its dice fall (%d)', (dice) => {
    const one = new Redial({ addresses: 1, retryBaseMs: 2 * SECOND, retryCapMs: 20 * SECOND }, { next: () => dice });
    let [leftMs, lastAtMs] = [30 * SECOND, Infinity];
    for (; leftMs > 0; leftMs -= 5 + one.failed(refused, leftMs)) lastAtMs = leftMs;
    expect(lastAtMs).toBeLessThan(SECOND / 4);
  });
});

describe('one of many', () => {
  test('has a moment of its own in the spread, and keeps it while nobody takes connections', () => {
    const one = redial(() => 0.5);
    one.spreadMs = 60 * SECOND;
    expect([one.lost(), one.failed(refused), one.failed(refused)]).toEqual([30 * SECOND, 60 * SECOND, 60 * SECOND]);
  });

  test('tries every address before it waits for its next moment', () => {
    const one = redial(() => 1, 3);
    one.spreadMs = 60 * SECOND;
    one.lost();
    expect(Array.from({ length: 6 }, () => one.failed(refused))).toEqual([200, 400, 60 * SECOND, 1_000, 1_000, 60 * SECOND]);
  });

  test('comes again soon when the broker is there but did not serve it', () => {
    const one = redial(() => 1);
    one.spreadMs = 60 * SECOND;
    one.lost();
    expect([one.failed(refused), one.failed(late)]).toEqual([60 * SECOND, 400]);
  });

  test.each([5, 95, 600])('so that they come evenly when the broker returns after %i s', (seconds) => {
    const spread = 60 * SECOND;
    const many = 6_000;
    const arrivals = Array.from({ length: many }, (_, index) => {
      const one = redial(() => (index + 0.5) / many);
      one.spreadMs = spread;
      let at = one.lost();
      while (at < seconds * SECOND) at += one.failed(refused);
      return at - seconds * SECOND;
    });
    const perSecond = Array.from({ length: 60 }, (_, second) => arrivals.filter((at) => Math.floor(at / SECOND) === second).length);
    expect(arrivals.every((at) => at <= spread)).toBe(true);
    expect(Math.max(...perSecond)).toBeLessThanOrEqual((1.1 * many) / 60);
  });
});
