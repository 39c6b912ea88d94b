import { systemClock } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { aHost, aTable } from '../testing.ts';
import { RecentAnswers } from './recent-answers.ts';

const amount = { vcpus: 1, memoryMb: 512, diskGb: 1 };

test('an older state does not replace a newer one', () => {
  const table = aTable(aHost({ revision: 5, memoryMb: 4_096 }));
  expect(table.put(aHost({ revision: 4, memoryMb: 1 }))).toBe(false);
  expect(table.freeMemoryMb[0]).toBe(4_096);
});

test('a kept set follows its hosts', () => {
  const table = aTable(aHost({ host: 'a' }), aHost({ host: 'b', availabilityZone: 'az-1' }));
  const inZone = table.setOf('zone az-1', (host) => host.availabilityZone === 'az-1');
  expect([inZone.has(0), inZone.has(1)]).toEqual([false, true]);
  table.put(aHost({ host: 'a', revision: 2, availabilityZone: 'az-1' }));
  table.remove('b');
  expect([inZone.has(0), inZone.has(1)]).toEqual([true, false]);
});

test('a vacant row is used again and rows grow without limit of the first size', () => {
  const table = aTable(...Array.from({ length: 200 }, (_, at) => aHost({ host: `host-${at}`, memoryMb: at })));
  expect([table.size, table.freeMemoryMb[199]]).toEqual([200, 199]);
  table.remove('host-7');
  table.put(aHost({ host: 'new' }));
  expect([table.rowOf('new'), table.extent]).toEqual([7, 200]);
});

test('an answer counts until its claim shows', () => {
  const table = aTable(aHost({ memoryMb: 2_048 }));
  const answers = new RecentAnswers(table, systemClock, 60_000);
  answers.count('host-1', amount);
  answers.count('host-1', amount);
  expect(table.freeMemoryMb[0]).toBe(1_024);
  const claimed = aHost({ revision: 2, memoryMb: 2_048, memoryMbUsed: 512, instances: 1 });
  answers.settle(table.put(claimed) || undefined, claimed);
  expect(table.freeMemoryMb[0]).toBe(1_024);
});

test('an answer that nobody claims is forgotten', () => {
  let now = 0;
  const table = aTable(aHost({ memoryMb: 2_048 }));
  const answers = new RecentAnswers(table, { ...systemClock, monotonic: () => now }, 3_000);
  answers.count('host-1', amount);
  now = 3_001;
  answers.expire();
  expect(table.freeMemoryMb[0]).toBe(2_048);
});
