import { systemClock, type Clock } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { BoundedCache } from './bounded-cache.ts';

const clockAt = (time: { now: number }): Clock => ({ ...systemClock, now: () => time.now });

test('a value is found once while it counts, and again afterwards', async () => {
  const time = { now: 0 };
  const cache = new BoundedCache<number>(clockAt(time), 10);
  let finds = 0;
  const get = () =>
    cache.get(
      'key',
      () => 100,
      async () => ++finds,
    );
  expect([await get(), await get()]).toEqual([1, 1]);
  time.now = 100;
  expect(await get()).toBe(2);
});

test('all who ask at once get one answer, also when it is a failure, which is not kept', async () => {
  const cache = new BoundedCache<string>(clockAt({ now: 0 }), 10);
  let finds = 0;
  const failing = () =>
    cache.get(
      'key',
      () => 100,
      async () => {
        finds++;
        throw new Error('no');
      },
    );
  const outcomes = await Promise.allSettled([failing(), failing(), failing()]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(finds).toBe(1);
  expect(
    await cache.get(
      'key',
      () => 100,
      async () => 'yes',
    ),
  ).toBe('yes');
});

test('the least recently used entry goes when there is no room', async () => {
  const cache = new BoundedCache<string>(clockAt({ now: 0 }), 2);
  const finds: string[] = [];
  const get = (key: string) =>
    cache.get(
      key,
      () => 100,
      async () => {
        finds.push(key);
        return key;
      },
    );
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await get(key);
  expect(finds).toEqual(['a', 'b', 'c', 'b']);
});
