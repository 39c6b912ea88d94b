import { HostState, type HostChange } from '@kilonova/objects';
import { RpcError } from '@kilonova/rpc';
import { silentLogger, systemClock } from '@kilonova/runtime';
import { expect, test, vi } from 'vitest';
import { HostPublisher, type PublisherParts } from './publisher.ts';

function aPublisher(changes: Partial<PublisherParts> = {}) {
  const told: HostChange[] = [];
  const publisher = new HostPublisher({
    id: 'p',
    clock: systemClock,
    log: silentLogger,
    collectMs: 5,
    pieceHosts: 3,
    retryMs: 5,
    read: async (hosts) => hosts.filter((host) => !host.startsWith('gone')).map((host) => Object.assign(new HostState(), { host })),
    tell: async (change) => void told.push(change),
    ...changes,
  });
  return { publisher, told };
}

const hostsOf = (change: HostChange) => change.hosts.map((state) => state.host);

test('touches of a moment are told together, each host once, in numbered pieces', async () => {
  const { publisher, told } = aPublisher();
  for (const host of ['a', 'b', 'a', 'c', 'd', 'a']) publisher.hostsTouched([host]);
  await vi.waitFor(() => expect(told).toHaveLength(2));
  expect(told.map(hostsOf)).toEqual([['a', 'b', 'c'], ['d']]);
  expect(told.map(({ publisher: id, sequence }) => [id, sequence])).toEqual([
    ['p', 1],
    ['p', 2],
  ]);
});

test('a host that is gone is told as removed', async () => {
  const { publisher, told } = aPublisher();
  publisher.hostsTouched(['a', 'gone-1']);
  await publisher.stop();
  expect(told).toEqual([expect.objectContaining({ removedHosts: ['gone-1'] })]);
});

test('while the database does not answer the hosts wait', async () => {
  let failures = 2;
  const { publisher, told } = aPublisher({
    read: async (hosts) => {
      if (failures-- > 0) throw new Error('down');
      return hosts.map((host) => Object.assign(new HostState(), { host }));
    },
  });
  publisher.hostsTouched(['a', 'b']);
  await vi.waitFor(() => expect(told.map(hostsOf)).toEqual([['a', 'b']]));
});

test('a change that is too large for a message is told in halves', async () => {
  const told: HostChange[] = [];
  const { publisher } = aPublisher({
    pieceHosts: 10,
    tell: async (change) => {
      if (change.hosts.length > 2) throw new RpcError('MessageTooLarge', 'too large');
      told.push(change);
    },
  });
  publisher.hostsTouched(['a', 'b', 'c', 'd', 'e']);
  await publisher.stop();
  expect(told.flatMap(hostsOf)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(told.map((change) => change.sequence)).toEqual([1, 2, 3]);
});

test('a change that could not be sent is a gap in the sequence', async () => {
  const told: HostChange[] = [];
  let lost = true;
  const { publisher } = aPublisher({
    tell: async (change) => {
      if (lost) throw new RpcError('Unreachable', 'no broker');
      told.push(change);
    },
  });
  publisher.hostsTouched(['a']);
  await vi.waitFor(() => expect(publisher.sequence).toBe(1));
  lost = false;
  publisher.hostsTouched(['b']);
  await publisher.stop();
  expect(told.map((change) => change.sequence)).toEqual([2]);
});
