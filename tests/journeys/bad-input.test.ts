/** What no client should send gets the documented refusal from a whole cloud, and leaves not a single row behind. */
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCloud, type Cloud } from '../support/cloud.ts';
import { freshToken, type ComputeClient } from '../support/compute-client.ts';
import { eventually } from '../support/eventually.ts';

let cloud: Cloud;
let admin: ComputeClient;
let demo: ComputeClient;
let token: string;
let imageRef: string;
/** Of the project admin. */
let foreign: string;
/** Of the project demo. */
let own: string;

beforeAll(async () => {
  cloud = await startCloud({ hosts: 1 });
  admin = cloud.client();
  demo = cloud.client(cloud.demo);
  token = await freshToken(cloud.demo);
  imageRef = await cloud.imageId();
  const made = (client: ComputeClient) =>
    client.expect<{ server: { id: string } }>('POST', '/servers', { body: { server: { ...server(), name: 'there' } } });
  await admin.expect('POST', '/flavors', { body: { flavor: { id: 'no-disk', name: 'no-disk', ram: 64, vcpus: 1, disk: 0 } } });
  [foreign, own] = (await Promise.all([made(admin), made(demo)])).map((answer) => answer.server.id) as [string, string];
  // From here on nothing moves by itself.
  const live = () => cloud.database.query(`select id from tasks where state in ('running', 'parked', 'unwinding')`);
  await eventually(live, (tasks) => tasks.length === 0, { timeoutMs: 30_000, what: 'the end of every task' });
});

afterAll(() => cloud?.stop());

const server = () => ({ name: 'bad', flavorRef: '1', imageRef, networks: 'none' });

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text and bytes as they are, all else as JSON. */
  readonly body?: unknown;
}
interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
}

/** Byte by byte what is given: neither fetch nor a stock client lets one send this. */
const send = ({ method = 'POST', path = '/servers', headers = {}, body }: Sent): Promise<Answer> =>
  new Promise((settle, reject) => {
    const bytes = body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const outgoing = httpRequest(
      `${cloud.computeUrls[0]}`,
      {
        method,
        path: `/v2.1${path}`,
        headers: {
          'x-auth-token': token,
          'openstack-api-version': 'compute 2.96',
          ...(bytes !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) }),
          ...headers,
        },
        timeout: 20_000,
      },
      (incoming) => {
        let text = '';
        incoming.on('data', (piece: Buffer) => (text += piece.toString()));
        incoming.on('end', () => settle({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: parsed(text) }));
        incoming.on('error', reject);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 20 s')));
    outgoing.on('error', reject);
    outgoing.end(bytes);
  });

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

const TABLES = [
  'instances',
  'tasks',
  'quota_usages',
  'idempotency_keys',
  'instance_actions',
  'keypairs',
  'aggregates',
  'flavors',
  'server_groups',
];
const rowCounts = () => cloud.database.query(`select ${TABLES.map((table) => `(select count(*) from ${table}) as ${table}`).join(', ')}`);
const usages = () => cloud.database.query('select project_id, user_id, instances, cores, ram from quota_usages order by 1, 2');

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const withName = (name: Buffer) =>
  Buffer.concat([
    Buffer.from('{"server": {"name": "'),
    name,
    Buffer.from(`", "flavorRef": "1", "imageRef": "${imageRef}", "networks": "none"}}`),
  ]);
const json = (change: object) => () => ({ body: { server: { ...server(), ...change } } });

const refusals: readonly { readonly title: string; readonly status: number; readonly sent: () => Sent }[] = [
  { title: 'half a document', status: 400, sent: () => ({ body: '{"server": {' }) },
  { title: 'no document', status: 400, sent: () => ({ body: '' }) },
  { title: 'a number for a name', status: 400, sent: json({ name: 7 }) },
  { title: 'a text for a count', status: 400, sent: json({ min_count: 'many' }) },
  {
    title: 'a count beyond all numbers',
    status: 400,
    sent: () => ({ body: JSON.stringify({ server: { ...server(), min_count: 0 } }).replace('"min_count":0', '"min_count":1e999') }),
  },
  { title: 'more at least than at most', status: 400, sent: json({ min_count: 3, max_count: 2 }) },
  { title: 'an unknown key', status: 400, sent: json({ colour: 'red' }) },
  { title: 'a body above the limit', status: 413, sent: json({ name: 'x'.repeat(200_000) }) },
  { title: 'a content type that is no JSON', status: 415, sent: () => ({ ...json({})(), headers: { 'content-type': 'application/xml' } }) },
  {
    title: 'a microversion that is not there',
    status: 406,
    sent: () => ({ ...json({})(), headers: { 'openstack-api-version': 'compute 2.999' } }),
  },
  {
    title: 'a microversion that is none',
    status: 400,
    sent: () => ({ ...json({})(), headers: { 'openstack-api-version': 'compute two' } }),
  },
  { title: 'a NUL in a name', status: 400, sent: json({ name: 'a\0b' }) },
  { title: 'a raw NUL in a name', status: 400, sent: () => ({ body: withName(Buffer.from([0x61, 0])) }) },
  { title: 'broken UTF-8 in a name', status: 400, sent: () => ({ body: withName(Buffer.from([0xc3, 0x28])) }) },
  { title: 'half a surrogate pair in a name', status: 400, sent: () => ({ body: withName(Buffer.from('\\ud800')) }) },
  { title: 'broken UTF-8 in the path', status: 400, sent: () => ({ method: 'GET', path: '/servers/%c3%28' }) },
  { title: 'a NUL in the path', status: 400, sent: () => ({ method: 'GET', path: '/servers/a%00b' }) },
  { title: 'broken UTF-8 in the query', status: 400, sent: () => ({ method: 'GET', path: '/servers?name=%ff%fe' }) },
  { title: 'a NUL in the query', status: 400, sent: () => ({ method: 'GET', path: '/servers?name=a%00' }) },
  { title: 'an unknown query parameter', status: 400, sent: () => ({ method: 'GET', path: '/servers?colour=red' }) },
  { title: 'a pattern that is none', status: 400, sent: () => ({ method: 'GET', path: '/servers?name=%5B(' }) },
  {
    title: 'a marker that is not there',
    status: 400,
    sent: () => ({ method: 'GET', path: '/servers?marker=00000000-0000-4000-8000-000000000000' }),
  },
  { title: 'deep arrays', status: 400, sent: () => ({ body: `{"server": ${nested(50_000)}}` }) },
  { title: 'deep arrays for a name', status: 400, sent: () => ({ body: `{"server": {"name": ${nested(40_000)}}}` }) },
  {
    title: 'keys given twice, the last one bad',
    status: 400,
    sent: () => ({ body: `{"server": ${JSON.stringify(server())}, "server": 5}` }),
  },
  { title: 'a huge header', status: 431, sent: () => ({ method: 'GET', headers: { 'x-huge': 'x'.repeat(60_000) } }) },
  { title: 'a method that is not there', status: 404, sent: () => ({ method: 'PATCH' }) },
  { title: 'a path that is not there', status: 404, sent: () => ({ method: 'GET', path: '/nothing' }) },
  { title: 'an unknown action', status: 400, sent: () => ({ path: `/servers/${own}/action`, body: { levitate: null } }) },
  { title: 'several actions', status: 400, sent: () => ({ path: `/servers/${own}/action`, body: { 'os-stop': null, 'os-start': null } }) },
  { title: "another project's server shown", status: 404, sent: () => ({ method: 'GET', path: `/servers/${foreign}` }) },
  { title: "another project's server deleted", status: 404, sent: () => ({ method: 'DELETE', path: `/servers/${foreign}` }) },
  {
    title: "another project's server stopped",
    status: 404,
    sent: () => ({ path: `/servers/${foreign}/action`, body: { 'os-stop': null } }),
  },
  {
    title: "another project's server with new metadata",
    status: 404,
    sent: () => ({ path: `/servers/${foreign}/metadata`, body: { metadata: { a: 'b' } } }),
  },
  {
    title: 'an idempotency key that is none',
    status: 400,
    sent: () => ({ ...json({})(), headers: { 'idempotency-key': 'x'.repeat(300) } }),
  },
  { title: 'a flavor that is not there', status: 400, sent: json({ flavorRef: '999' }) },
  { title: 'a flavor without a root disk', status: 403, sent: json({ flavorRef: 'no-disk' }) },
  { title: 'an image that is not there', status: 400, sent: json({ imageRef: '00000000-0000-4000-8000-000000000000' }) },
  { title: 'a zone that is not there', status: 400, sent: json({ availability_zone: 'nowhere' }) },
  { title: 'a key pair that is not there', status: 400, sent: json({ key_name: 'nothing' }) },
  { title: 'more than the quota', status: 403, sent: json({ min_count: 11 }) },
  {
    title: 'a flavor made by a member',
    status: 403,
    sent: () => ({ path: '/flavors', body: { flavor: { name: 'mine', ram: 1, vcpus: 1, disk: 0 } } }),
  },
  {
    title: 'a public key that is none',
    status: 400,
    sent: () => ({ path: '/os-keypairs', body: { keypair: { name: 'k', public_key: 'ssh-rsa nothing', type: 'ssh' } } }),
  },
];

describe('is refused and leaves nothing behind:', () => {
  test.each(refusals)('$title ($status)', async ({ status, sent }) => {
    const before = [await rowCounts(), await usages()];
    const answer = await send(sent());
    expect(answer, JSON.stringify(answer.body)).toMatchObject({ status });
    expect([await rowCounts(), await usages()]).toEqual(before);
  });

  test('a token that nobody gave, one that was taken back, and none', async () => {
    const revoked = await freshToken(cloud.demo);
    const gone = await fetch(`${cloud.demo.authUrl}/auth/tokens`, {
      method: 'DELETE',
      headers: { 'x-auth-token': revoked, 'x-subject-token': revoked },
    });
    expect(gone.status).toBe(204);
    const before = await rowCounts();
    for (const given of ['nobody-gave-this', revoked, '']) {
      const { status, headers } = await send({ ...json({})(), headers: { 'x-auth-token': given } });
      expect([status, headers['www-authenticate']]).toEqual([401, expect.stringContaining('Keystone uri=')]);
    }
    expect(await rowCounts()).toEqual(before);
  });
});

test('a repeated create answers with the same server and no password, and another body with the same key is refused', async () => {
  const headers = { 'idempotency-key': 'once-and-only-once' };
  const [first, second] = [await send({ ...json({ name: 'once' })(), headers }), await send({ ...json({ name: 'once' })(), headers })] as {
    status: number;
    body: { server: { id: string; adminPass?: string } };
  }[];
  expect([first!.status, second!.status]).toEqual([202, 202]);
  expect(first!.body.server.adminPass).toEqual(expect.any(String));
  expect(second!.body.server.id).toBe(first!.body.server.id);
  expect(second!.body.server.adminPass).toBeUndefined();
  const before = [await cloud.database.query('select count(*) from instances'), await usages()];
  expect((await send({ ...json({ name: 'twice' })(), headers })).status).toBe(409);
  expect([await cloud.database.query('select count(*) from instances'), await usages()]).toEqual(before);
});

test('names that JavaScript holds dear are metadata like any other', async () => {
  const { status, body } = await send({
    body: `{"server": {"name": "dear", "flavorRef": "1", "imageRef": "${imageRef}", "networks": "none", "metadata": {"__proto__": "a", "constructor": "b"}}}`,
  });
  expect(status, JSON.stringify(body)).toBe(202);
  const { id } = (body as { server: { id: string } }).server;
  const shown = (await send({ method: 'GET', path: `/servers/${id}/metadata` })).body as { metadata: object };
  expect(Object.entries(shown.metadata).toSorted(([one], [other]) => (one < other ? -1 : 1))).toEqual([
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
});
