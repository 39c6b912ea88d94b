import { DomainReport, DomainsReport, HostRegistration, ServiceRef, UpdateService } from '@kilonova/objects';
import { Empty } from '@kilonova/rpc';
import { beforeEach, describe, expect, test } from 'vitest';
import { adoptStrays } from '../db/adopted-strays.ts';
import { anAdmin, anInventory } from '../testing/services.ts';
import { silence, stage } from '../testing/story.ts';

// Hosts are counted whenever they ask: a count from before they came would be believed for seconds.
const scene = stage({ straysMax: 3, hostCountMs: 0 });
const { act, rows } = scene;
const host = (name: string) => scene.cloud.hosts.get(name)!;
const STRANGER = '99999999-9999-4999-8999-999999999999';
let rounds = 0;

/** What a host's hypervisor shows. */
const report = (name: string, round = ++rounds) =>
  host(name).reports.reportDomains(
    Object.assign(new DomainsReport(), {
      host: name,
      round,
      domains: [...host(name).domains].map(([uuid, domain]) => Object.assign(new DomainReport(), { uuid, ...domain })),
    }),
  );
const strays = () => rows('select host, instance_uuid as uuid, generation, standing from strays order by 1, 2, 3');
const cleanups = () => rows('select 1 from cleanups');

beforeEach(async () => {
  await scene.cloud.startConductor('c1');
  for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
});

describe('a domain that its host was never given', () => {
  test.each([
    { title: 'of an instance that the database does not know', uuid: () => STRANGER, generation: 1, standing: 'unknown' },
    { title: 'of a generation above all that were given out', uuid: (own: string) => own, generation: 7, standing: 'newer' },
    { title: 'of the generation that another host has', uuid: (own: string) => own, generation: 1, standing: 'unreleased' },
  ])('$title is left alone, and shown', async ({ uuid: of, generation, standing }) => {
    const own = await scene.aServer();
    const uuid = of(own);
    const other = (await scene.servers())[0]!['host'] === 'h1' ? 'h2' : 'h1';
    host(other).domains.set(uuid, { generation, power: 1 });
    await report(other);
    await report(other);
    await scene.cloud.settled();
    expect(host(other).domains.get(uuid)).toEqual({ generation, power: 1 });
    expect(await cleanups()).toEqual([]);
    expect(await strays()).toEqual([{ host: other, uuid, generation, standing }]);
    host(other).domains.delete(uuid);
    await report(other);
    expect(await strays()).toEqual([]);
  });
});

test('a domain of a server that is deleted goes, whoever still has it', async () => {
  const uuid = await scene.aServer();
  await act(uuid, 'delete');
  await scene.cloud.settled();
  host('h2').domains.set(uuid, { generation: 1, power: 1 });
  await report('h2');
  await expect.poll(() => host('h2').domains.size).toBe(0);
  expect(await strays()).toEqual([]);
});

test('a domain that was given back by a move that is over goes', async () => {
  const uuid = await scene.aServer();
  const from = (await scene.servers())[0]!['host'] as string;
  await act(uuid, 'liveMigrate');
  await scene.cloud.settled();
  host(from).domains.set(uuid, { generation: 1, power: 1 });
  await report(from);
  await expect.poll(() => host(from).domains.size).toBe(0);
});

describe('what the former host of an adopted server has is stopped where it runs, and kept,', () => {
  test.each([
    {
      title: 'after a move from there that failed',
      move: async (uuid: string, to: string) => {
        host(to).behaviour.prepareIncoming = 'fail';
        await act(uuid, 'migrate', { host: to });
      },
      generation: 1,
    },
    { title: 'after a move that brought it there', move: (uuid: string) => act(uuid, 'liveMigrate'), generation: 2 },
    {
      title: 'after a resize that was reverted',
      move: async (uuid: string) => {
        await act(uuid, 'resize', { flavorId: '2' });
        await scene.cloud.settled();
        await act(uuid, 'revertResize');
      },
      generation: 3,
    },
  ])('$title', async ({ move, generation }) => {
    const uuid = await scene.aServer();
    const [{ host: first }] = (await scene.servers()) as [{ host: string }];
    await move(uuid, first === 'h1' ? 'h2' : 'h1');
    await scene.cloud.settled();
    const [{ host: former }] = (await scene.servers()) as [{ host: string }];
    await scene.cloud.startHost('h3');
    host('h3').domains.set(uuid, { generation: 7, power: 1 });
    await report('h3');
    expect(await adoptStrays(scene.database, { host: 'h3', uuids: [uuid] })).toMatchObject([{ adopted: { generation: 7 } }]);

    await report(former);
    await scene.cloud.settled();
    await expect.poll(() => host(former).domains.get(uuid)).toEqual({ generation, power: 4 });
    expect(await cleanups()).toEqual([]);
    expect(await strays()).toEqual([{ host: former, uuid, generation, standing: 'outdated' }]);
    expect(host('h3').domains.get(uuid)).toEqual({ generation: 7, power: 1 });
  });
});

test('an older domain of which nothing is known is stopped where it runs beside the owner, and kept', async () => {
  const uuid = await scene.aServer();
  const from = (await scene.servers())[0]!['host'] as string;
  await act(uuid, 'liveMigrate');
  await scene.cloud.settled();
  await rows('delete from server_migrations');
  host(from).domains.set(uuid, { generation: 1, power: 1 });
  await report(from);
  await expect.poll(() => host(from).domains.get(uuid)).toEqual({ generation: 1, power: 4 });
  expect(await strays()).toEqual([{ host: from, uuid, generation: 1, standing: 'outdated' }]);
  expect(await cleanups()).toEqual([]);
});

test('a host shows as many strays as it may, and more are not remembered', async () => {
  for (let number = 1; number <= 5; number += 1) host('h1').domains.set(STRANGER.replace('9', `${number}`), { generation: 1, power: 1 });
  await report('h1');
  await report('h1');
  expect(await strays()).toHaveLength(3);
  expect(host('h1').domains.size).toBe(5);
});

describe('a host that was cut off while its server is built elsewhere', () => {
  async function halfway() {
    const uuid = await scene.aServer();
    const from = (await scene.servers())[0]!['host'] as string;
    const to = from === 'h1' ? 'h2' : 'h1';
    host(to).behaviour.spawn = 'ignore';
    await silence(scene, from);
    await act(uuid, 'evacuate');
    await expect.poll(() => host(to).heard.at(-1)?.verb).toBe('spawn');
    return { uuid, from, to };
  }
  const up = async (name: string) => (await rows(`select up from hosts where host = '${name}'`))[0]!['up'];

  test('stops its guest and keeps it, gets no work, and removes it when the server has its new host', async () => {
    const { uuid, from, to } = await halfway();
    await host(from).register();
    await report(from);
    await expect.poll(() => host(from).domains.get(uuid)).toEqual({ generation: 1, power: 4 });
    expect(await up(from)).toBe(false);
    host(to).behaviour.spawn = 'do';
    await scene.cloud.settled();
    await expect.poll(() => host(from).domains.size).toBe(0);
    await host(from).register();
    expect(await up(from)).toBe(true);
    expect(await scene.servers()).toMatchObject([{ vmState: 'active', host: to }]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('gets no work as long as it does not say that the guest is gone', async () => {
    const { from, to } = await halfway();
    host(from).behaviour.remove = 'fail';
    host(to).behaviour.spawn = 'do';
    await expect.poll(scene.servers, { timeout: 5_000 }).toMatchObject([{ vmState: 'active', host: to }]);
    await host(from).register();
    await expect.poll(() => host(from).heard.some(({ verb }) => verb === 'remove')).toBe(true);
    await host(from).register();
    expect(await up(from)).toBe(false);
    host(from).behaviour.remove = 'do';
    await expect.poll(cleanups).toEqual([]);
    await host(from).register();
    expect(await up(from)).toBe(true);
  });
});

describe('a host that was declared gone', () => {
  const ref = (name: string) => ({ scope: anAdmin(), host: name, binary: 'nova-compute' });
  const up = async (name: string) => (await rows(`select up from hosts where host = '${name}'`))[0]?.['up'];
  const evacuations = async () => (await rows('select status from server_migrations')).map(({ status }) => status);

  /** Its server is elsewhere, and nobody waits for it any more. */
  async function givenUp() {
    const uuid = await scene.aServer();
    const [{ host: from }] = (await scene.servers()) as [{ host: string }];
    const to = from === 'h1' ? 'h2' : 'h1';
    host(from).behaviour.remove = 'ignore';
    const { client } = scene.cloud;
    await client.updateService(Object.assign(new UpdateService(), ref(from), { changes: { forcedDown: true } }));
    await act(uuid, 'evacuate');
    await expect.poll(scene.servers, { timeout: 5_000 }).toMatchObject([{ vmState: 'active', host: to }]);
    await client.deleteService(Object.assign(new ServiceRef(), ref(from)));
    expect(await up(from)).toBeUndefined();
    expect(await rows('select 1 from cleanups')).toEqual([]);
    expect(await rows('select host from allocations')).toEqual([{ host: to }]);
    host(from).behaviour.remove = 'do';
    return { uuid, from, to };
  }

  test('and comes back gets no work before it has removed what was evacuated from it', async () => {
    const { uuid, from, to } = await givenUp();
    expect(host(from).domains.get(uuid)).toMatchObject({ generation: 1 });
    await host(from).register();
    expect(await up(from)).toBe(false);
    await report(from);
    await expect.poll(evacuations).toEqual(['completed']);
    expect(host(from).domains.size).toBe(0);
    await host(from).register();
    expect(await up(from)).toBe(true);
    expect(host(to).domains.get(uuid)).toMatchObject({ power: 1 });
    await scene.cloud.assertNothingLeftOver();
  });

  test('and comes back empty gets work when it has shown that', async () => {
    const { from } = await givenUp();
    host(from).domains.clear();
    await host(from).register();
    expect(await up(from)).toBe(false);
    expect(await evacuations()).toEqual(['done']);
    await report(from);
    expect(await evacuations()).toEqual(['completed']);
    await host(from).register();
    expect(await up(from)).toBe(true);
  });
});

test('a domain that went while the clock of its host was set back keeps no server from moving there', async () => {
  const uuid = await scene.aServer();
  const other = (await scene.servers())[0]!['host'] === 'h1' ? 'h2' : 'h1';
  for (const of of [uuid, STRANGER]) host(other).domains.set(of, { generation: 7, power: 4 });
  await report(other, 4_000_000_000);
  host(other).domains.delete(uuid);
  await host(other).register();
  expect(await strays()).toHaveLength(2);
  await report(other);
  expect(await strays()).toMatchObject([{ uuid: STRANGER }]);
  await act(uuid, 'migrate', { host: other });
  await scene.cloud.settled();
  expect(await scene.servers()).toMatchObject([{ host: other, vmState: 'resized' }]);
});

test('the agent that registered last speaks for its host, also when nothing else changed; one of before is refused', async () => {
  const registers = (agent: string) =>
    host('h1').reports.register(
      Object.assign(new HostRegistration(), {
        ...{ host: 'h1', node: 'h1', version: '1.1', driver: 'scripted', agent },
        inventory: anInventory(),
      }),
    );
  const says = (agent: string) =>
    host('h1').reports.reportDomains(Object.assign(new DomainsReport(), { host: 'h1', round: ++rounds, agent }));
  await registers('first');
  await registers('first');
  await says('first');
  await registers('second');
  await says('second');
  await expect(says('first')).rejects.toMatchObject({ code: 'AgentSuperseded' });
  await says(''); // an older agent does not say who it is
});

test('a host is told over how long all of them come back when they lose the broker together', async () => {
  // Two hosts, of which a broker takes 200 a second.
  expect(await host('h1').reports.hostReturn(new Empty())).toEqual({ spreadMs: 10 });
});

test('after a restore the next generation is above what hosts show, and what no host can have is not believed', async () => {
  const uuid = await scene.aServer();
  const from = (await scene.servers())[0]!['host'] as string;
  const other = from === 'h1' ? 'h2' : 'h1';
  // As if the server had moved to the other host and back since the backup.
  host(from).domains.set(uuid, { generation: 3, power: 1 });
  await report(from);
  host(other).domains.set(uuid, { generation: 2_000_000, power: 1 });
  await report(other);
  expect(await strays()).toMatchObject([{ standing: 'newer' }, { standing: 'newer' }]);
  await act(uuid, 'migrate', { host: other });
  await scene.cloud.settled();
  expect(host(other).domains.get(uuid)).toEqual({ generation: 2_000_000, power: 1 });
  expect(await rows('select status from server_migrations')).toEqual([{ status: 'error' }]);
  await rows('truncate server_migrations, instance_faults');
  host(other).domains.delete(uuid);
  await report(other);
  await act(uuid, 'migrate');
  await scene.cloud.settled();
  expect(await rows('select dest_generation from server_migrations')).toEqual([{ dest_generation: 4 }]);
});
