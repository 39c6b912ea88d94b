import { systemClock } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { aHost, aTable } from '../testing/builders.ts';
import { RecentAnswers } from './recent-answers.ts';

const amount = { vcpus: 1, memoryMb: 512, diskGb: 1 };

test('an older state does not replace a newer one', () => {
  const table = aTable(aHost({ revision: 5, memoryMb: 4_096 }));
  expect(table.put(aHost({ revision: 4, memoryMb: 1 }))).toBe(false);
  expect(table.freeMemoryMb[0]).toBe(4_096);
});

test('a kept set follows its hosts', () => {
  const table = aTable(aHost({ host: 'a' }), aHost({ host: 'b', availabilityZone: 'az-1' }));
  const rowsInZone = () => {
    const inZone = table.setOf('zone az-1', (host) => host.availabilityZone === 'az-1');
    return [inZone.has(0), inZone.has(1)];
  };
  expect(rowsInZone()).toEqual([false, true]);
  table.put(aHost({ host: 'a', revision: 2, availabilityZone: 'az-1' }));
  table.remove('b');
  expect(rowsInZone()).toEqual([true, false]);
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
  answers.count(0, amount);
  answers.count(0, amount);
  expect(table.freeMemoryMb[0]).toBe(1_024);
  const claimed = aHost({ revision: 2, memoryMb: 2_048, memoryMbUsed: 512, instances: 1 });
  answers.settle(table.put(claimed) || undefined, claimed);
  expect(table.freeMemoryMb[0]).toBe(1_024);
});

test('an answer that nobody claims is forgotten', () => {
  let now = 0;
  const table = aTable(aHost({ memoryMb: 2_048 }));
  const answers = new RecentAnswers(table, { ...systemClock, monotonic: () => now }, 3_000);
  answers.count(0, amount);
  now = 3_001;
  answers.expire();
  expect(table.freeMemoryMb[0]).toBe(2_048);
});

test('a kept set or number is right after more changes than are remembered', () => {
  const table = aTable(...['a', 'b', 'c'].map((host) => aHost({ host })));
  const full = () => table.setOf('full', ({ instances }) => instances >= 999);
  const instances = () => table.numbersOf('instances', (host) => (host.host === 'b' ? undefined : host.instances));
  expect([full().has(2), instances().of(0), instances().of(1), instances().of(77)]).toEqual([false, 0, undefined, undefined]);
  for (let revision = 2; revision < 1_001; revision += 1) table.put(aHost({ host: 'c', revision, instances: revision - 1 }));
  table.put(aHost({ host: 'a', revision: 2, instances: 3 }));
  expect([full().has(0), full().has(2), instances().of(0), instances().of(2)]).toEqual([false, true, 3, 999]);
});

test('the sum of revisions follows the hosts', () => {
  const table = aTable(aHost({ host: 'a', revision: 3 }), aHost({ host: 'b', revision: 4 }));
  table.put(aHost({ host: 'a', revision: 10 }));
  table.put(aHost({ host: 'b', revision: 2 }));
  expect(table.revisions()).toBe(14);
  table.remove('a');
  expect(table.revisions()).toBe(4);
});

test('a state that replaces a newer one counts everywhere', () => {
  const table = aTable(aHost({ host: 'a', revision: 50, vcpus: 64, instances: 9 }), aHost({ host: 'b', revision: 4 }));
  const full = () => table.setOf('full', ({ instances }) => instances >= 9).has(0);
  const instances = () => table.numbersOf('instances', (host) => host.instances).of(0);
  expect([full(), instances(), table.largest().vcpus, table.revisions()]).toEqual([true, 9, 64, 54]);
  expect(table.replace(aHost({ host: 'a', revision: 2 }))).toMatchObject({ revision: 50 });
  expect([full(), instances(), table.largest().vcpus, table.revisions()]).toEqual([false, 0, 16, 6]);
  expect([table.freeVcpus[0], table.instances[0], table.size]).toEqual([16, 0, 2]);
});

test('the largest capacities follow the hosts, ratio and reserve included', () => {
  const table = aTable(aHost({ host: 'a', vcpus: 8, cpuRatio: 4, memoryMb: 1_024 }), aHost({ host: 'b', vcpus: 16, memoryMb: 4_096 }));
  expect(table.largest()).toMatchObject({ vcpus: 32, memoryMb: 4_096 });
  expect(table.largest()).toBe(table.largest());
  table.put(aHost({ host: 'b', revision: 2, vcpus: 16, memoryMb: 4_096, reservedMemoryMb: 3_584 }));
  table.remove('a');
  expect(table.largest()).toMatchObject({ vcpus: 16, memoryMb: 512 });
});

test('answers expire one after the other, also those of a host that is gone', () => {
  let now = 0;
  const table = aTable(aHost({ host: 'a', memoryMb: 4_096 }), aHost({ host: 'b', memoryMb: 4_096 }));
  const answers = new RecentAnswers(table, { ...systemClock, monotonic: () => now }, 1_000);
  for (const [at, row] of [0, 1, 0, 0].entries()) {
    now = at * 100;
    answers.count(row, amount);
  }
  table.remove('b');
  answers.forget('b');
  const free = () => {
    answers.expire();
    return table.freeMemoryMb[0];
  };
  expect(free()).toBe(4_096 - 3 * 512);
  now = 1_100;
  expect(free()).toBe(4_096 - 2 * 512);
  now = 1_250;
  expect(free()).toBe(4_096 - 512);
  now = 1_300;
  expect(free()).toBe(4_096);
});
