import type { HostState } from '@kilonova/objects';
import { seededRandom } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { availabilityZone } from '../filters/availability-zone.ts';
import { memory, vcpus } from '../filters/resources.ts';
import { affinity, antiAffinity } from '../filters/server-group.ts';
import { aFlavor, aGroup, aHost, anAggregate, aRequest, aTable } from '../testing.ts';
import { weighers } from '../weighers/index.ts';
import { select, type Policy } from './select.ts';

const policy: Policy = {
  filters: [availabilityZone, affinity, antiAffinity, memory, vcpus],
  weighers,
  multipliers: { ram: 1, cpu: 1, disk: 1, io_ops: -1, build_failure: 1_000_000, soft_affinity: 10, soft_anti_affinity: 10 },
  hostSubsetSize: 1,
  maxAlternates: 5,
};
const uuids = (count: number) => Array.from({ length: count }, (_, at) => `instance-${at}`);
const chosen = (hosts: readonly HostState[], given: Parameters<typeof aRequest>[0], changes: Partial<Policy> = {}) =>
  select(aRequest(given), aTable(...hosts), { ...policy, ...changes }, seededRandom(7)).selections.map(({ hosts: names }) => names);

test('instances of one request spread over equal hosts', () => {
  const hosts = ['a', 'b', 'c'].map((host) => aHost({ host }));
  expect(
    chosen(hosts, { instanceUuids: uuids(3) })
      .flat()
      .toSorted(),
  ).toEqual(['a', 'b', 'c']);
});

test('the host with the most room comes first and alternates follow', () => {
  const hosts = [aHost({ host: 'small', memoryMb: 1_024 }), aHost({ host: 'large', memoryMb: 65_536 }), aHost({ host: 'middle' })];
  expect(chosen(hosts, { alternates: 2 })).toEqual([['large', 'middle', 'small']]);
});

test('a negative multiplier stacks instead of spreading', () => {
  const hosts = [aHost({ host: 'empty' }), aHost({ host: 'busy', memoryMbUsed: 8_192 })];
  expect(
    chosen(hosts, { instanceUuids: uuids(2) }, { multipliers: { ...policy.multipliers, ram: -1, cpu: 0, disk: 0, io_ops: 0 } }),
  ).toEqual([['busy'], ['busy']]);
});

test('an aggregate overrides a multiplier, the smallest winning', () => {
  const aggregates = [anAggregate({ ram_weight_multiplier: '5' }, 1), anAggregate({ ram_weight_multiplier: '-5' }, 2)];
  const hosts = [aHost({ host: 'avoided', aggregates }), aHost({ host: 'other', memoryMbUsed: 1_024 })];
  expect(chosen(hosts, {})).toEqual([['other']]);
});

test('a request never takes more than there is, and says what was missing', () => {
  const hosts = [
    aHost({ host: 'a', memoryMb: 1_024 }),
    aHost({ host: 'b', memoryMb: 2_560 }),
    aHost({ host: 'c', availabilityZone: 'az-9' }),
  ];
  const answer = select(
    aRequest({ instanceUuids: uuids(2), availabilityZone: 'nova', flavor: aFlavor({ memoryMb: 2_048 }) }),
    aTable(...hosts),
    policy,
    seededRandom(1),
  );
  expect(answer.selections.map(({ hosts: names }) => names)).toEqual([['b'], []]);
  expect(answer.explanation).toBe('3 hosts considered: 2 with 2560 of 2048 MiB free, 1 not in zone nova');
});

test('the nearest miss gives the reason', () => {
  const hosts = [aHost({ host: 'a', memoryMb: 128 }), aHost({ host: 'b', memoryMb: 512 }), aHost({ host: 'c', memoryMb: 256 })];
  const answer = select(aRequest({ flavor: aFlavor({ memoryMb: 2_048 }) }), aTable(...hosts), policy, seededRandom(1));
  expect(answer.explanation).toBe('3 hosts considered: 3 with 512 of 2048 MiB free');
  expect(answer.refusals).toMatchObject([{ filter: 'memory', hosts: 3 }]);
});

test('anti-affinity holds among the instances of one request', () => {
  const hosts = [aHost({ host: 'a' }), aHost({ host: 'b' })];
  const [first, second, third] = chosen(hosts, { instanceUuids: uuids(3), group: aGroup({ policy: 'anti-affinity' }) });
  expect([first, second].flat().toSorted()).toEqual(['a', 'b']);
  expect(third).toEqual([]);
});

test('affinity keeps the instances of one request together', () => {
  const hosts = [aHost({ host: 'a' }), aHost({ host: 'b' }), aHost({ host: 'c' })];
  expect(new Set(chosen(hosts, { instanceUuids: uuids(5), group: aGroup({ policy: 'affinity' }) }).flat()).size).toBe(1);
});

test('soft-affinity keeps instances together while there is room, and goes on elsewhere', () => {
  const hosts = [aHost({ host: 'a', vcpus: 2 }), aHost({ host: 'b', vcpus: 2 })];
  const placed = chosen(hosts, { instanceUuids: uuids(4), group: aGroup({ policy: 'soft-affinity' }) }).flat();
  expect(placed[0]).toBe(placed[1]);
  expect(placed[2]).toBe(placed[3]);
  expect(new Set(placed).size).toBe(2);
});

test('soft-anti-affinity keeps away from members, but not at any price', () => {
  const hosts = [aHost({ host: 'a', memoryMb: 65_536 }), aHost({ host: 'b', memoryMb: 4_096 })];
  const group = aGroup({ policy: 'soft-anti-affinity', membersByHost: { a: 1 } });
  expect(chosen(hosts, { group })).toEqual([['b']]);
  expect(chosen(hosts.slice(0, 1), { group })).toEqual([['a']]);
});

test('a forced host skips the filters, an unknown one is refused with a reason', () => {
  const hosts = [aHost({ host: 'a', memoryMb: 1 })];
  expect(chosen(hosts, { forcedHost: 'a' })).toEqual([['a']]);
  expect(select(aRequest({ forcedHost: 'x' }), aTable(...hosts), policy, seededRandom(1)).explanation).toContain('forced host x');
});

test('answering leaves the columns as they were', () => {
  const table = aTable(aHost({ host: 'a' }), aHost({ host: 'b' }));
  const before = [...table.freeMemoryMb];
  select(aRequest({ instanceUuids: uuids(4) }), table, policy, seededRandom(1));
  expect([...table.freeMemoryMb]).toEqual(before);
});
