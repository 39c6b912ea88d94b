/** A scheduler as its peers meet it: over a transport, with a far side that knows the hosts. */
import { conductorContract, HostChange, HostDigest, schedulerContract, type HostState } from '@kilonova/objects';
import { createClient, defineContract, Empty, InProcessBroker, serve, type Transport } from '@kilonova/rpc';
import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom, type RunningService } from '@kilonova/runtime';
import { afterEach, expect, test, vi } from 'vitest';
import { schedulerSection } from './config.ts';
import { startScheduler } from './main.ts';
import { aHost, aRequest } from './testing/builders.ts';

/** The part of the conductor that a scheduler needs. */
const { listHostStates, getHostDigest, serviceHeartbeat } = conductorContract.methods;
const knownPart = defineContract({ ...conductorContract, methods: { listHostStates, getHostDigest, serviceHeartbeat } });

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Far {
  readonly transport: Transport;
  hosts: HostState[];
  reads: number;
  heartbeats: string[];
  /** Called between the two halves of a read. */
  meanwhile: () => Promise<void>;
}

async function start(
  hosts: HostState[],
  { farSide = true } = {},
): Promise<{ far: Far; scheduler: RunningService; serveFarSide(): Promise<void> }> {
  const broker = new InProcessBroker();
  const connect = (service: string) => {
    const transport = broker.connect({ service, id: `${service}-1` });
    closing.push(() => transport.close());
    return transport;
  };
  const far: Far = { transport: connect('conductor'), hosts, reads: 0, heartbeats: [], meanwhile: async () => {} };
  const serveFarSide = async () => {
    const server = await serve(far.transport, knownPart, {
      async *listHostStates() {
        far.reads += 1;
        const read = [...far.hosts];
        yield read.slice(0, 1);
        await far.meanwhile();
        yield read.slice(1);
      },
      getHostDigest: () =>
        Object.assign(new HostDigest(), { hosts: far.hosts.length, revisions: far.hosts.reduce((sum, { revision }) => sum + revision, 0) }),
      serviceHeartbeat: (_context, { binary, host }) => void far.heartbeats.push(`${binary} ${host}`),
    });
    closing.push(() => server.stop());
  };
  if (farSide) await serveFarSide();
  const scheduler = await startScheduler({
    config: { scheduler: defaultsOf(schedulerSection, { digestIntervalMs: 20, reloadRetryMs: 20, heartbeatIntervalMs: 50 }) },
    transport: connect('scheduler'),
    host: 'here',
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    metrics: createMetrics('scheduler'),
  });
  closing.push(() => scheduler.stop());
  return { far, scheduler, serveFarSide };
}

const chosen = async (far: Far) =>
  (await createClient(far.transport, schedulerContract).selectDestinations(aRequest({ alternates: 5 }))).selections[0]!.hosts.toSorted();
const tell = (far: Far, change: Partial<HostChange>) =>
  createClient(far.transport, schedulerContract).hostsChanged(
    Object.assign(new HostChange(), { publisher: 'conductor-1', sequence: 1, ...change }),
  );

test('before a conductor answers, requests are refused as Overloaded; afterwards it loads by itself', async () => {
  const { far, scheduler, serveFarSide } = await start([aHost({ host: 'a' })], { farSide: false });
  await expect(chosen(far)).rejects.toMatchObject({ code: 'Overloaded' });
  expect(await scheduler.health()).toMatchObject({ ok: false });
  await serveFarSide();
  await vi.waitFor(async () => expect(await chosen(far)).toEqual(['a']), 10_000);
  expect(await scheduler.health()).toMatchObject({ ok: true });
  await vi.waitFor(() => expect(far.heartbeats).toContain('nova-scheduler here'), 10_000);
}, 30_000);

test('news that comes while the hosts are read is not undone by the older read', async () => {
  const { far } = await start([aHost({ host: 'a' }), aHost({ host: 'b' })]);
  await vi.waitFor(() => expect(far.reads).toBe(1));
  await vi.waitFor(async () => expect(await chosen(far)).toEqual(['a', 'b']));
  far.meanwhile = async () => {
    far.hosts = [aHost({ host: 'a' }), aHost({ host: 'b', revision: 2, enabled: false })];
    await tell(far, { sequence: 6, hosts: [far.hosts[1]!] });
  };
  await tell(far, { sequence: 1 });
  await tell(far, { sequence: 5 });
  await vi.waitFor(async () => expect(await chosen(far)).toEqual(['a']));
});

test('a gap in a publisher’s numbers makes it read everything anew', async () => {
  const { far } = await start([aHost({ host: 'a' })]);
  await vi.waitFor(async () => expect(await chosen(far)).toEqual(['a']));
  await tell(far, { sequence: 1 });
  far.hosts = [aHost({ host: 'a' }), aHost({ host: 'b' })];
  await tell(far, { sequence: 7 });
  await vi.waitFor(async () => expect(await chosen(far)).toEqual(['a', 'b']));
});

test('a change that nobody told is found by the digest', async () => {
  const { far } = await start([aHost({ host: 'a' }), aHost({ host: 'b' })]);
  await vi.waitFor(async () => expect(await chosen(far)).toEqual(['a', 'b']));
  far.hosts = [aHost({ host: 'a' })];
  await vi.waitFor(async () => expect(await chosen(far)).toEqual(['a']));
  expect((await createClient(far.transport, conductorContract).getHostDigest(new Empty())).hosts).toBe(1);
});

test('an unknown filter in the configuration is refused with the known ones', async () => {
  const broker = new InProcessBroker();
  const transport = broker.connect({ service: 'scheduler', id: 'x' });
  closing.push(() => transport.close());
  const config = { scheduler: defaultsOf(schedulerSection, { enabledFilters: ['availability_zones'] }) };
  await expect(
    startScheduler({
      config,
      transport,
      host: 'here',
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
      metrics: createMetrics('scheduler'),
    }),
  ).rejects.toThrow(/no filter is called "availability_zones"; known are availability_zone/);
});
