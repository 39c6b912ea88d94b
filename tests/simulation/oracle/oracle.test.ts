/** The oracle must see what it is there for: each of these worlds is well until somebody tampers with it. */
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Template } from '../database/fresh.ts';
import { Client } from '../world/client.ts';
import { Users } from '../world/users.ts';
import { World } from '../world/world.ts';
import { Oracle } from './always.ts';
import { leftOver, underWay } from './final.ts';

let template: Template;
beforeAll(async () => {
  template = await Template.make();
});
afterAll(() => template.drop());

let world: World;
let users: Users;
let oracle: Oracle;
let uuid: string;
beforeEach(async () => {
  world = await World.make(template, { seed: 1, conductors: 1, schedulers: 1, hosts: 2 });
  users = new Users(world, { users: 1, pauseMs: 1 });
  oracle = new Oracle(world);
  const client = new Client(world, 'ann', 'demo');
  await world.start();
  await world.clock.until(client.makeFlavors());
  await world.clock.until(client.hostsUp(2));
  await world.clock.advance(1_000);
  const request = { key: 'one', name: 'one', count: 1, flavorId: '1' };
  [uuid] = (await world.clock.until(client.create(request))) as [string];
  users.requests.push({ ...request, uuids: [uuid] });
  await world.clock.advance(5_000);
  await seen();
  assert.deepEqual(found, []);
});
afterEach(async () => {
  await oracle.end();
  await world.end();
});

let found: readonly string[];
async function seen(): Promise<void> {
  await oracle.look(0);
  found = [...oracle.violations, ...(await underWay(world)), ...(await leftOver(world, users))];
}

const tamper = async (sql: string) => void (await world.observer.rows(sql));
const change = (at: number, domain: object) =>
  appendFileSync(join(world.agents[at]!.folder, 'fake-domains.jsonl'), `${JSON.stringify(domain)}\n`);
const home = () => world.agents.findIndex((agent) => agent.domains().length > 0);

test.each([
  { title: 'quota that was not given back', sql: `update quota_usages set cores = cores + 1`, says: /^quota_usage: / },
  {
    title: 'room of a host that nobody uses',
    sql: `update hosts set vcpus_used = vcpus_used + 1 where instances > 0`,
    says: /^host_usage: /,
  },
  { title: 'a server without its room', sql: `delete from allocations`, says: /^owners_have_allocations: / },
  { title: 'a server that nobody works on', sql: `update instances set task_state = 'rebooting'`, says: /^tasks_are_at_work: / },
  { title: 'an error without a reason', sql: `update instances set vm_state = 'error'`, says: /does not say why$/ },
  { title: 'a server made twice', sql: `update instances set name = 'other'`, says: /^one: asked for 1, made 0/ },
  {
    title: 'a task that does not end',
    sql: `insert into tasks (id, kind, version, request_id, state, params, deadline_at, wake_at)
      values ('11111111-1111-4111-8111-111111111111', 'none', 1, 'r', 'running', '{}', kilonova_now(), kilonova_now())`,
    says: /^none running at step 0 of a request/,
  },
])('finds $title', async ({ sql, says }) => {
  await tamper(sql);
  await seen();
  expect(found).toEqual(expect.arrayContaining([expect.stringMatching(says)]));
});

test('finds a guest that runs twice', async () => {
  change(1 - home(), { uuid, generation: 1, power: 1 });
  await seen();
  expect(found).toEqual(
    expect.arrayContaining([expect.stringMatching(/runs on host-. .* and on host-./), expect.stringMatching(/^domain /)]),
  );
});

test('finds a guest that is gone, and one that stands still', async () => {
  const at = home();
  change(at, { uuid, generation: 1, power: 4 });
  await seen();
  expect(found).toEqual([expect.stringMatching(/is active on host-. and its guest is 4/)]);
  change(at, { uuid });
  await seen();
  expect(found).toEqual([expect.stringMatching(/is active on host-. and its guest is nowhere/)]);
});

test('finds a server that comes back from the dead', async () => {
  await tamper(`update instances set deleted_at = kilonova_now(), vm_state = 'deleted', host = null, node = null`);
  await oracle.look(0);
  await tamper(`update instances set deleted_at = null, vm_state = 'error'`);
  await seen();
  expect(found).toEqual(expect.arrayContaining([expect.stringMatching(/was deleted and is there again/)]));
});
