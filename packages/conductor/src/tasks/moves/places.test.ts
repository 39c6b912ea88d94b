import { describe, expect, test } from 'vitest';
import type { QueuedMigration } from '../../db/live-queue.ts';
import { decidePlaces, queueWaitMs } from './places.ts';

const queued = (id: number, host = 'h1'): QueuedMigration => ({ id, uuid: `m${id}`, host, status: 'queued' });

describe('places for live migrations', () => {
  test('go to those that came first, host by host', () => {
    const { granted, ahead } = decidePlaces(
      { taken: new Map([['h1', 1]]), waiting: [queued(1), queued(2), queued(3, 'h2'), queued(4)] },
      2,
    );
    expect([...granted]).toEqual(['m1', 'm3']);
    expect([...ahead]).toEqual([
      ['m2', 0],
      ['m4', 1],
    ]);
  });

  test('are none when more run than may, as after a smaller limit was configured', () => {
    expect(decidePlaces({ taken: new Map([['h1', 3]]), waiting: [queued(1)] }, 2)).toMatchObject({
      granted: new Set(),
      ahead: new Map([['m1', 0]]),
    });
  });

  test('are without end when the limit is 0', () => {
    const waiting = [queued(1), queued(2)];
    expect(decidePlaces({ taken: new Map([['h1', 7]]), waiting }, 0).granted).toEqual(new Set(['m1', 'm2']));
  });

  test('are looked for less often the longer the queue is, up to a bound', () => {
    expect([0, 1, 99].map((ahead) => queueWaitMs(ahead, 10))).toEqual([10, 20, 300]);
  });
});
