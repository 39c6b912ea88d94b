import type { HostRequest, HostState } from '@kilonova/objects';
import { seededRandom } from '@kilonova/runtime';
import { describe, expect, test } from 'vitest';
import { availabilityZone } from '../filters/availability-zone.ts';
import { computeStatus } from '../filters/compute-status.ts';
import { excludedHosts } from '../filters/excluded-hosts.ts';
import { memory, vcpus } from '../filters/resources.ts';
import { affinity, antiAffinity } from '../filters/server-group.ts';
import type { HostTable } from '../snapshot/host-table.ts';
import { aFlavor, aGroup, aHost, anAggregate, aRequest, aTable } from '../testing/builders.ts';
import { hostWeighers, requestWeighers } from '../weighers/index.ts';
import { Selector, type Policy } from './selector.ts';

const policy: Policy = {
  filters: [availabilityZone, affinity, antiAffinity, memory, vcpus],
  hostWeighers,
  requestWeighers,
  multipliers: { ram: 1, cpu: 1, disk: 1, io_ops: -1, build_failure: 1_000_000, soft_affinity: 10, soft_anti_affinity: 10 },
  hostSubsetSize: 1,
  maxAlternates: 5,
  maxKeptOrders: 8,
};
const selectorOf = (table: HostTable, changes: Partial<Policy> = {}) =>
  new Selector(table, { ...policy, ...changes }, seededRandom(7), (row, amount) => table.take(row, amount, 1));
const answerOf = (hosts: readonly HostState[], request: HostRequest, changes: Partial<Policy> = {}) =>
  selectorOf(aTable(...hosts), changes).select(request);
const uuids = (count: number) => Array.from({ length: count }, (_, at) => `instance-${at}`);
const chosen = (hosts: readonly HostState[], given: Parameters<typeof aRequest>[0], changes: Partial<Policy> = {}) =>
  answerOf(hosts, aRequest(given), changes).selections.map(({ hosts: names }) => names);

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
  const request = aRequest({ instanceUuids: uuids(2), availabilityZone: 'nova', flavor: aFlavor({ memoryMb: 2_048 }) });
  const answer = answerOf(hosts, request);
  expect(answer.selections.map(({ hosts: names }) => names)).toEqual([['b'], []]);
  expect(answer.explanation).toBe('3 hosts considered: 2 with 2560 of 2048 MiB free, 1 not in zone nova');
});

test('the nearest miss gives the reason', () => {
  const hosts = [aHost({ host: 'a', memoryMb: 128 }), aHost({ host: 'b', memoryMb: 512 }), aHost({ host: 'c', memoryMb: 256 })];
  const answer = answerOf(hosts, aRequest({ flavor: aFlavor({ memoryMb: 2_048 }) }));
  expect(answer.explanation).toBe('3 hosts considered: 3 with 512 of 2048 MiB free');
  expect(answer.refusals).toMatchObject([{ filter: 'memory', hosts: 3 }]);
});

describe('where a filter has several reasons, each host counts for its own:', () => {
  const filters = [computeStatus, excludedHosts];
  const explained = (hosts: readonly HostState[], given: Parameters<typeof aRequest>[0]) =>
    answerOf(hosts, aRequest(given), { filters }).explanation;
  const named = ['own', 'a', 'b'].map((host) => aHost({ host }));

  test('a move to a disabled host tried nothing', () => {
    expect(explained([...named, aHost({ host: 'off', enabled: false })], { excludedHosts: ['own'], requestedHost: 'off' })).toBe(
      '4 hosts considered: 3 not the requested host off, 1 disabled',
    );
  });

  test('a move to a host that failed it', () => {
    expect(explained(named, { excludedHosts: ['own', 'a'], requestedHost: 'a' })).toBe(
      '3 hosts considered: 2 not the requested host a, 1 already tried',
    );
  });

  test('a move to anywhere', () => {
    const off = ['c', 'd'].map((host) => aHost({ host, enabled: false }));
    expect(explained([aHost({ host: 'own' }), ...off, aHost({ host: 'e', up: false })], { excludedHosts: ['own'] })).toBe(
      '4 hosts considered: 2 disabled, 1 not reporting, 1 with the server on it or tried before',
    );
  });
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
  expect(answerOf(hosts, aRequest({ forcedHost: 'x' })).explanation).toContain('forced host x');
});

test('an instance counts on its host from the answer on, also on a forced one', () => {
  const table = aTable(aHost({ host: 'a', memoryMb: 4_096 }), aHost({ host: 'b', memoryMb: 4_096 }));
  const selector = selectorOf(table);
  selector.select(aRequest({ instanceUuids: uuids(4) }));
  selector.select(aRequest({ forcedHost: 'b' }));
  expect([...table.freeMemoryMb.slice(0, 2)]).toEqual([4_096 - 2 * 512, 4_096 - 3 * 512]);
});

test('what is free counts by the largest host there is, so that a small empty host comes after a large one in use', () => {
  const hosts = [aHost({ host: 'small', memoryMb: 8_192 }), aHost({ host: 'large', memoryMb: 65_536, memoryMbUsed: 32_768 })];
  expect(chosen(hosts, {})).toEqual([['large']]);
});

test('a host that failed a build comes after every other, however full', () => {
  const hosts = [aHost({ host: 'failed', failedBuilds: 1 }), aHost({ host: 'full', memoryMbUsed: 32_000, ioOps: 100 })];
  expect(chosen(hosts, { alternates: 1 })).toEqual([['full', 'failed']]);
});

test('one of the best few is drawn, and the others are alternates', () => {
  const hosts = ['a', 'b', 'c', 'd'].map((host, at) => aHost({ host, memoryMbUsed: 8_192 * at }));
  const answers = Array.from({ length: 20 }, (_, seed) =>
    new Selector(aTable(...hosts), { ...policy, hostSubsetSize: 2 }, seededRandom(seed), () => undefined).select(
      aRequest({ alternates: 2 }),
    ),
  );
  const drawn = new Set(answers.map(({ selections }) => selections[0]!.hosts.join()));
  expect([...drawn].toSorted()).toEqual(['a,b,c', 'b,a,c']);
});

test('hosts are looked at once for a class of requests, however many follow and however much changes', () => {
  const hosts = Array.from({ length: 100 }, (_, at) => aHost({ host: `host-${at}` }));
  const table = aTable(...hosts);
  const selector = selectorOf(table);
  for (let revision = 2; revision < 500; revision += 1) {
    table.put(aHost({ host: `host-${revision % 100}`, revision, memoryMbUsed: revision }));
    expect(selector.select(aRequest({ instanceUuids: uuids(2) })).selections[1]!.hosts).toHaveLength(1);
  }
  expect(selector.orderBuilds).toBe(1);
});

test('a class that was not asked for longest is forgotten for a new one', () => {
  const selector = selectorOf(aTable(aHost()), { maxKeptOrders: 2 });
  const ask = (memoryMb: number) => selector.select(aRequest({ flavor: aFlavor({ memoryMb }) }));
  for (const memoryMb of [1, 2, 1, 3, 1, 3]) ask(memoryMb);
  expect(selector.orderBuilds).toBe(3);
  ask(2);
  expect(selector.orderBuilds).toBe(4);
});

test('a larger host that comes changes what everything is measured by', () => {
  const table = aTable(aHost({ host: 'a', vcpus: 16, memoryMb: 1_024 }), aHost({ host: 'b', vcpus: 12, memoryMb: 2_048 }));
  const selector = selectorOf(table, { filters: [] });
  const best = () =>
    selector.select(aRequest({ flavor: aFlavor({ vcpus: 0, memoryMb: 0, rootGb: 0 }), excludedHosts: [] })).selections[0]!.hosts;
  // a: 16/16 + 1024/2048; b: 12/16 + 1.
  expect(best()).toEqual(['b']);
  table.put(aHost({ host: 'huge', memoryMb: 1_048_576, failedBuilds: 1 }));
  table.put(aHost({ host: 'b', revision: 2, vcpus: 12, memoryMb: 2_048 }));
  expect(best()).toEqual(['a']);
  table.remove('huge');
  table.put(aHost({ host: 'a', revision: 2, vcpus: 16, memoryMb: 1_024, ioOps: 1 }));
  expect(best()).toEqual(['b']);
});

test('a selector whose answer failed in the middle answers the next request as if nothing had been', () => {
  const table = aTable(aHost({ host: 'a' }), aHost({ host: 'b', memoryMbUsed: 1_024 }));
  let failing = true;
  const selector = new Selector(table, policy, seededRandom(7), () => {
    if (failing) throw new Error('not counted');
  });
  expect(() => selector.select(aRequest())).toThrow('not counted');
  failing = false;
  expect(selector.select(aRequest({ alternates: 5 })).selections[0]!.hosts).toEqual(['a', 'b']);
});
