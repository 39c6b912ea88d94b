/** What waits for a host that goes down: the deadlines are minutes, and nobody waits for them. */
import { DomainReport, DomainsReport, UpdateService } from '@kilonova/objects';
import { beforeEach, expect, test } from 'vitest';
import type { Verb } from '../testing/scripted-host.ts';
import { anAdmin, aRequest } from '../testing/services.ts';
import { silence, stage } from '../testing/story.ts';

const scene = stage({ deleteOnDownHostMs: 20, forcedDownWaitMs: 20 });
const { act, rows } = scene;
const host = (name: string) => scene.cloud.hosts.get(name)!;
const QUICKLY = { timeout: 5_000, interval: 20 };

beforeEach(async () => {
  await scene.cloud.startConductor('c1');
  for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
});

/** It hears, and neither does nor says anything. */
const fallSilent = (name: string, verbs: readonly Verb[] = ['spawn', 'remove', 'powerOff', 'reboot']) => {
  for (const verb of verbs) host(name).behaviour[verb] = 'ignore';
};
const callDown = (name: string) => silence(scene, name);
const forceDown = (name: string, forcedDown = true) =>
  scene.cloud.client.updateService(
    Object.assign(new UpdateService(), { scope: anAdmin(), host: name, binary: 'nova-compute', changes: { forcedDown } }),
  );
const cleanups = () => rows('select host from cleanups');
const heard = (name: string, verb: string) => host(name).heard.some((order) => order.verb === verb);

test('a delete that was under way ends, and leaves the rest to the cleanup; a build waits, for it may be done', async () => {
  const uuid = await scene.aServer();
  fallSilent('h1');
  await scene.cloud.create(aRequest());
  await act(uuid, 'delete');
  await expect.poll(() => heard('h1', 'remove') && heard('h1', 'spawn'), QUICKLY).toBe(true);
  await callDown('h1');
  await expect.poll(() => rows(`select 1 from instances where uuid = '${uuid}' and vm_state = 'deleted'`), QUICKLY).toHaveLength(1);
  expect(await cleanups()).toEqual([{ host: 'h1' }]);
  const waiting = () =>
    rows(`select kind, report_by > kilonova_now() + interval '10 minutes' as patient from tasks where state = 'parked'`);
  await expect.poll(waiting, QUICKLY).toEqual([{ kind: 'build-instance', patient: true }]);
});

test.each([
  { title: 'goes on to another host', others: ['h2'], ends: { vmState: 'active', host: 'h2' } },
  { title: 'fails where there is no other', others: [], ends: { vmState: 'error', host: null } },
])('a build $title when its own is forced down, which gets no work before it is rid of it', async ({ others, ends }) => {
  fallSilent('h1');
  scene.cloud.choose = ({ excludedHosts }) => ['h1', ...others].filter((name) => !excludedHosts.includes(name));
  await scene.cloud.create(aRequest());
  await expect.poll(() => heard('h1', 'spawn'), QUICKLY).toBe(true);
  await forceDown('h1');
  await expect.poll(scene.servers, QUICKLY).toMatchObject([ends]);
  expect(await cleanups()).toEqual([{ host: 'h1' }]);

  await forceDown('h1', false);
  await host('h1').register();
  expect(await rows(`select up from hosts where host = 'h1'`)).toEqual([{ up: false }]);
  host('h1').behaviour.remove = 'do';
  await expect.poll(cleanups, QUICKLY).toEqual([]);
  await host('h1').register();
  expect(await rows(`select up from hosts where host = 'h1'`)).toEqual([{ up: true }]);
});

test.each([
  { action: 'stop', verb: 'powerOff', options: {} },
  { action: 'reboot', verb: 'reboot', options: { type: 'SOFT' } },
])('a $action fails when its host is forced down, and says so', async ({ action, verb, options }) => {
  const uuid = await scene.aServer();
  fallSilent('h1');
  await act(uuid, action, options as Record<string, string>);
  await expect.poll(() => heard('h1', verb), QUICKLY).toBe(true);
  await forceDown('h1');
  await expect.poll(scene.servers, QUICKLY).toMatchObject([{ vmState: 'active', taskState: null, host: 'h1' }]);
  expect(
    await rows(`select e.result from instance_action_events e join instance_actions a on a.id = e.action_id where a.action = '${action}'`),
  ).toEqual([{ result: 'Error' }]);
});

test.each([
  { action: 'migrate', verb: 'prepareIncoming' },
  { action: 'migrate', verb: 'finishIncoming' },
  { action: 'liveMigrate', verb: 'prepareIncoming' },
  { action: 'liveMigrate', verb: 'finishIncoming' },
] as const)('a $action is taken back when its destination is forced down at $verb', async ({ action, verb }) => {
  const uuid = await scene.aServer();
  fallSilent('h2', [verb, 'remove']);
  await act(uuid, action, action === 'liveMigrate' ? { async: 'true' } : {});
  await expect.poll(() => heard('h2', verb), QUICKLY).toBe(true);
  await forceDown('h2');
  await expect.poll(scene.servers, QUICKLY).toMatchObject([{ vmState: 'active', taskState: null, host: 'h1' }]);
  expect(await cleanups()).toEqual([{ host: 'h2' }]);
});

test('a revert whose source is forced down leaves the server as it was, and the source does not run it when it comes back', async () => {
  const uuid = await scene.aServer();
  await act(uuid, 'resize', { flavorId: '2' });
  await expect.poll(scene.servers, QUICKLY).toMatchObject([{ vmState: 'resized', host: 'h2' }]);
  fallSilent('h1', ['takeBack']);
  await act(uuid, 'revertResize');
  await expect.poll(() => heard('h1', 'takeBack'), QUICKLY).toBe(true);
  await forceDown('h1');
  await expect.poll(scene.servers, QUICKLY).toMatchObject([{ vmState: 'resized', taskState: null, host: 'h2' }]);
  expect(host('h2').domains.get(uuid)).toMatchObject({ power: 1 });
  // It had done what it was told before it died.
  const [{ generation }] = (await rows('select source_generation as generation from server_migrations')) as [{ generation: number }];
  host('h1').domains.set(uuid, { generation, power: 1 });
  const domain = Object.assign(new DomainReport(), { uuid, generation, power: 1 });
  await host('h1').reports.reportDomains(Object.assign(new DomainsReport(), { host: 'h1', round: 1, domains: [domain] }));
  await expect.poll(() => host('h1').domains.get(uuid), QUICKLY).toEqual({ generation, power: 4 });
});
