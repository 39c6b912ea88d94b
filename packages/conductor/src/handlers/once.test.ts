import { AggregateRef, ChangeAggregateHost, ServerRef, UpdateServer, type Aggregate } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import type { Services } from '../services.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, anAdmin, aRequest, someFlavors, testServices } from '../testing/services.ts';
import * as aggregates from './aggregates.ts';
import { once } from './once.ts';
import * as servers from './servers.ts';

let database: FreshDatabase;
/** Two conductors: what one of them remembers, the other does not. */
let one: Services;
let other: Services;
let aggregate: Aggregate;
let requests = 0;

beforeAll(async () => {
  database = await freshDatabase();
  [one, other] = [testServices(database), testServices(database)];
  await someFlavors(one, {});
  await aHost(one, 'h1');
});
afterAll(() => database.close());

beforeEach(async () => {
  aggregate = await aggregates.createAggregate(one, { scope: freshScope(), name: `a${requests}`, availabilityZone: null });
});

const freshScope = () => anAdmin({ requestId: `req-${(requests += 1)}` });
const member = (is: boolean, scope = freshScope()) =>
  Object.assign(new ChangeAggregateHost(), { scope, id: aggregate.id, host: 'h1', member: is });
const hosts = async () =>
  (await aggregates.getAggregate(one, Object.assign(new AggregateRef(), { scope: anAdmin(), id: aggregate.id }))).hosts;

const change = once('changeAggregateHost', aggregates.changeAggregateHost);

test('a message that comes again, to another conductor and after others undid it, changes nothing and is answered as before', async () => {
  const add = member(true);
  const first = await change(one, add);
  await change(one, member(false));
  expect(await change(other, add)).toEqual({ ...first });
  expect(await hosts()).toEqual([]);
});

test('two that come at once are one', async () => {
  const add = member(true);
  const [first, second] = await Promise.all([change(one, add), change(other, add)]);
  expect({ ...second }).toEqual({ ...first });
  expect(await hosts()).toEqual(['h1']);
});

test('another request with the same id is another', async () => {
  const add = member(true);
  await change(one, add);
  await change(one, member(false, add.scope));
  expect(await hosts()).toEqual([]);
});

test('what was refused may come again, and is judged again', async () => {
  const remove = member(false);
  await expect(change(one, remove)).rejects.toMatchObject({ code: 'HostNotFound' });
  await change(one, member(true));
  expect((await change(other, remove)).hosts).toEqual([]);
});

test('hosts are told of when all is done, and not again', async () => {
  const told: string[][] = [];
  const services: Services = { ...one, publisher: { hostsTouched: (touched) => void told.push([...touched]) } };
  const fails = once('changeAggregateHost', async (within, request: ChangeAggregateHost) => {
    await aggregates.changeAggregateHost(within, request);
    throw new Error('after the change');
  });
  await expect(fails(services, member(true))).rejects.toThrow('after the change');
  expect([told, await hosts()]).toEqual([[], []]);
  const add = member(true);
  await change(services, add);
  await change(services, add);
  expect(told).toEqual([['h1']]);
});

test('an answer that is not kept is read again', async () => {
  const [uuid] = (await createServers(one, aRequest({ userData: 'c2VjcmV0' }))).serverUuids;
  const update = once('updateServer', servers.updateServer, servers.getServer);
  const request = Object.assign(new UpdateServer(), { scope: freshScope(), uuid, changes: { name: 'first' } });
  await update(one, request);
  await update(one, Object.assign(new UpdateServer(), { scope: freshScope(), uuid, changes: { name: 'second' } }));
  expect(await update(other, request)).toMatchObject({ uuid, name: 'second' });
  expect(await servers.getServer(one, Object.assign(new ServerRef(), { scope: anAdmin(), uuid }))).toMatchObject({ name: 'second' });
  const { rows } = (await database.knex.raw(`select response from idempotency_keys where route = 'rpc updateServer'`)) as {
    rows: { response: object }[];
  };
  expect(rows).toEqual([{ response: {} }, { response: {} }]);
});
