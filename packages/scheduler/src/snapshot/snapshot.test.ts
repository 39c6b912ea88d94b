/** A snapshot with a far side that knows the hosts, and with digests and loads when the test says so. */
import { conductorContract, HostChange, HostDigest, type HostState } from '@kilonova/objects';
import { createClient, defineContract, InProcessBroker, serve } from '@kilonova/rpc';
import { silentLogger, systemClock } from '@kilonova/runtime';
import { afterEach, expect, test, vi } from 'vitest';
import { aHost } from '../testing/builders.ts';
import { Snapshot } from './snapshot.ts';

const { listHostStates, getHostDigest } = conductorContract.methods;
const knownPart = defineContract({ ...conductorContract, methods: { listHostStates, getHostDigest } });

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function aSnapshot(hosts: readonly HostState[]) {
  const broker = new InProcessBroker();
  const far = broker.connect({ service: 'conductor', id: 'conductor-1' });
  const near = broker.connect({ service: 'scheduler', id: 'scheduler-1' });
  const known = { hosts };
  /** Called between the two halves of a read. */
  let meanwhile = (): void => {};
  const server = await serve(far, knownPart, {
    async *listHostStates() {
      const read = known.hosts;
      yield read.slice(0, 1);
      meanwhile();
      yield read.slice(1);
    },
    getHostDigest: () =>
      Object.assign(new HostDigest(), {
        hosts: known.hosts.length,
        revisions: known.hosts.reduce((sum, { revision }) => sum + revision, 0),
      }),
  });
  const options = { maxKeptSets: 16, answerKeptMs: 60_000, reloadRetryMs: 20 };
  const snapshot = new Snapshot(createClient(near, conductorContract), systemClock, silentLogger, options);
  closing.push(
    () => far.close(),
    () => near.close(),
    () => server.stop(),
    async () => snapshot.stop(),
  );
  let sequence = 0;
  const scene = {
    snapshot,
    known,
    news: (change: Partial<HostChange>) =>
      snapshot.note(Object.assign(new HostChange(), { publisher: 'p', sequence: (sequence += 1), ...change })),
    async load(during: () => void = () => {}) {
      meanwhile = during;
      const { reloads } = snapshot;
      snapshot.reload('test');
      await vi.waitFor(() => expect(snapshot.reloads).toBe(reloads + 1));
    },
    kept: () =>
      [...snapshot.hosts.names()]
        .map((name) => snapshot.hosts.at(snapshot.hosts.rowOf(name)!)!)
        .map(({ host, revision, vcpus }) => `${host} ${revision} ${vcpus}`)
        .toSorted(),
  };
  await scene.load();
  return scene;
}

test('a host that was forgotten and registered again is taken over although its revision is lower', async () => {
  const { snapshot, known, news, load, kept } = await aSnapshot([aHost({ host: 'a' }), aHost({ host: 'b', revision: 50 })]);
  snapshot.answers.count(snapshot.hosts.rowOf('b')!, { vcpus: 1, memoryMb: 512, diskGb: 1 });
  known.hosts = [aHost({ host: 'a' }), aHost({ host: 'b', revision: 2, vcpus: 8 })];
  news({ hosts: [known.hosts[1]!] });
  expect(await snapshot.compare()).toBe(false);
  await load();
  expect(kept()).toEqual(['a 1 16', 'b 2 8']);
  expect(snapshot.hosts.freeVcpus[snapshot.hosts.rowOf('b')!]).toBe(7); // its recent answer counts on
  expect(await snapshot.compare()).toBe(true);
});

test('a database that was restored is taken over as it is, and its news count again', async () => {
  const { snapshot, known, news, load, kept } = await aSnapshot(['a', 'b', 'c'].map((host, at) => aHost({ host, revision: 70 + at })));
  known.hosts = ['a', 'b'].map((host, at) => aHost({ host, revision: 30 + at, vcpus: 8 }));
  await load();
  expect(kept()).toEqual(['a 30 8', 'b 31 8']);
  expect(await snapshot.compare()).toBe(true);
  news({ hosts: [aHost({ host: 'a', revision: 31, vcpus: 4 })] });
  expect(kept()).toEqual(['a 31 4', 'b 31 8']);
});

test('of a row and of news that came while it was read the newer one is taken, whatever was there before', async () => {
  const { snapshot, known, news, load, kept } = await aSnapshot(['a', 'b', 'c', 'd'].map((host) => aHost({ host, revision: 50 })));
  known.hosts = [aHost({ host: 'a' }), aHost({ host: 'b', revision: 2 }), aHost({ host: 'c', revision: 4 })];
  await load(() => {
    // Newer than the row, older than the row, and of a host that registered after its row was looked for.
    news({ hosts: [aHost({ host: 'b', revision: 3, vcpus: 8 }), aHost({ host: 'b', revision: 1, vcpus: 4 })] });
    news({ hosts: [aHost({ host: 'c', revision: 3, vcpus: 8 }), aHost({ host: 'd', revision: 2, vcpus: 8 })] });
  });
  expect(kept()).toEqual(['a 1 16', 'b 3 8', 'c 4 16', 'd 2 8']);
  known.hosts = [known.hosts[0]!, aHost({ host: 'b', revision: 3 }), known.hosts[2]!, aHost({ host: 'd', revision: 2 })];
  expect(await snapshot.compare()).toBe(true);
});

test('news of a host that were taken back while it was read count no more', async () => {
  const { known, news, load, kept } = await aSnapshot([aHost({ host: 'a' }), aHost({ host: 'b', revision: 50 })]);
  known.hosts = [aHost({ host: 'a' }), aHost({ host: 'b', revision: 2 })];
  await load(() => {
    news({ hosts: [aHost({ host: 'b', revision: 51 })] });
    news({ removedHosts: ['b'] });
  });
  expect(kept()).toEqual(['a 1 16', 'b 2 16']);
});
