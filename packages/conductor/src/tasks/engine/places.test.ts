import { VirtualClock } from '@kilonova/rpc';
import { expect, test } from 'vitest';
import { Places } from './places.ts';

const aPlace = (concurrency: number, patienceMs: number) => {
  const clock = new VirtualClock();
  const places = new Places({ concurrency, patienceMs, clock });
  const called: string[] = [];
  const enter = (name: string) => places.enter(() => void called.push(name));
  return { clock, places, called, enter };
};

test('one is at work, and who came meanwhile is called when it leaves', () => {
  const { called, enter } = aPlace(3, 100);
  const leave = enter('first')!;
  expect(enter('second')).toBeUndefined();
  expect(called).toEqual([]);
  leave();
  expect(called).toEqual(['second']);
  expect(enter('second')).toBeDefined();
});

test('one that is held up gets company, up to the limit', async () => {
  const { clock, places, called, enter } = aPlace(2, 100);
  enter('first');
  expect(enter('second')).toBeUndefined();
  await clock.advance(99);
  expect(called).toEqual([]);
  await clock.advance(1);
  expect(called).toEqual(['second']);
  expect(enter('second')).toBeDefined();
  await clock.advance(1_000);
  expect(enter('third')).toBeUndefined();
  expect(places.taken).toBe(2);
});

test('without patience all places are taken at once', () => {
  const { enter } = aPlace(2, 0);
  expect(enter('first')).toBeDefined();
  expect(enter('second')).toBeDefined();
  expect(enter('third')).toBeUndefined();
});

test('those that wait are called in the order in which they came', () => {
  const { called, enter } = aPlace(1, 0);
  const leave = enter('first')!;
  for (const name of ['second', 'third']) enter(name);
  leave();
  expect(called).toEqual(['second', 'third']);
});
