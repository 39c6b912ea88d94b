import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@kilonova/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts';
import { eventually } from '../../../../tests/support/eventually.ts';
import { anIdentity, anImageService, caller, inProject, logIn, movableClock, PASSWORDS, type Answer } from '../testing.ts';
import { seedImage } from './seed.ts';

let database: TestDatabase;
let identity: Awaited<ReturnType<typeof anIdentity>>;
let service: Awaited<ReturnType<typeof anImageService>>;
let dataDir: string;
let call: ReturnType<typeof caller>;
let admin: string;
let owner: string;
let stranger: string;
let strangerProject: string;
const clock = movableClock();

const LIMIT = 1024 ** 2;
const OCTETS = { 'Content-Type': 'application/octet-stream' };
const PATCH = { 'Content-Type': 'application/openstack-images-v2.1-json-patch' };

beforeAll(async () => {
  database = await freshDatabase();
  identity = await anIdentity(database.url, { clock });
  dataDir = await mkdtemp(join(tmpdir(), 'kilonova-images-'));
  service = await anImageService(
    { databaseUrl: database.url, identityUrl: `${identity.url}/v3`, dataDir },
    { clock, maxImageBytes: LIMIT, maxProperties: 4, discardBytes: 8 * LIMIT },
  );
  call = caller(service.url);
  admin = await logIn(identity.url, 'admin', PASSWORDS.adminPassword, inProject('admin'));
  owner = await logIn(identity.url, 'demo', PASSWORDS.demoPassword, inProject('demo'));
  [stranger, strangerProject] = await aStranger();
});

afterAll(async () => {
  await service?.stop();
  await identity?.stop();
  await database?.drop();
  if (dataDir !== undefined) await rm(dataDir, { recursive: true });
});

async function aStranger(): Promise<[token: string, projectId: string]> {
  const ask = async (method: string, path: string, json?: unknown) => caller(identity.url)(method, path, { token: admin, json });
  const { project } = (await ask('POST', '/v3/projects', { project: { name: 'strangers' } })).json;
  const { user } = (await ask('POST', '/v3/users', { user: { name: 'stranger', password: 'pass' } })).json;
  const [role] = (await ask('GET', '/v3/roles?name=member')).json.roles;
  await ask('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${role.id}`);
  return [await logIn(identity.url, 'stranger', 'pass', { project: { id: project.id } }), project.id];
}

const make = async (json: object = {}, token = owner): Promise<string> => {
  const answer = await call('POST', '/v2/images', { token, json: { disk_format: 'raw', container_format: 'bare', ...json } });
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  return answer.json.id;
};
const upload = (id: string, body: RequestInit['body'], token = owner) =>
  call('PUT', `/v2/images/${id}/file`, { token, body, headers: OCTETS });
const show = async (id: string, token = owner): Promise<Answer['json']> => (await call('GET', `/v2/images/${id}`, { token })).json;
const patch = (id: string, changes: unknown, token = owner) =>
  call('PATCH', `/v2/images/${id}`, { token, body: JSON.stringify(changes), headers: PATCH });
const idsOf = async (query: string, token: string): Promise<string[]> =>
  (await call('GET', `/v2/images?limit=1000&${query}`, { token })).json.images.map((image: { id: string }) => image.id);
const files = async (id: string) => (await readdir(dataDir)).filter((name) => name.startsWith(id));

describe('the life of an image', () => {
  test('it is queued, becomes active by its data, gives the data back, and leaves no file when deleted', async () => {
    const bytes = randomBytes(300_000);
    const made = await call('POST', '/v2/images', {
      token: owner,
      json: { name: 'disk', disk_format: 'raw', container_format: 'bare', min_ram: 64, tags: ['b'], hw_disk_bus: 'virtio' },
    });
    const { id } = made.json;
    expect(made.headers.get('location')).toBe(`${service.url}/v2/images/${id}`);
    expect(made.json).toMatchObject({ status: 'queued', visibility: 'shared', size: null, hw_disk_bus: 'virtio', tags: ['b'] });
    expect((await call('GET', `/v2/images/${id}/file`, { token: owner })).status).toBe(204);
    expect((await upload(id, bytes)).status).toBe(204);
    expect(await show(id)).toMatchObject({
      status: 'active',
      size: bytes.length,
      checksum: createHash('md5').update(bytes).digest('hex'),
      os_hash_algo: 'sha512',
      os_hash_value: createHash('sha512').update(bytes).digest('hex'),
      file: `/v2/images/${id}/file`,
    });
    expect((await upload(id, bytes)).status).toBe(409);
    const address = `${service.url}/v2/images/${id}/file`;
    const whole = await fetch(address, { headers: { 'X-Auth-Token': owner } });
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    const part = await fetch(address, { headers: { 'X-Auth-Token': owner, Range: 'bytes=10-19' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 10-19/300000']);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(10, 20))).toBe(true);
    expect((await call('GET', `/v2/images/${id}/file`, { token: owner, headers: { Range: 'bytes=300000-' } })).status).toBe(416);
    expect((await call('DELETE', `/v2/images/${id}`, { token: owner })).status).toBe(204);
    expect([(await call('GET', `/v2/images/${id}`, { token: owner })).status, await files(id)]).toEqual([404, []]);
  });

  test('an upload beyond the limit is refused, and the image can take another', async () => {
    const id = await make();
    expect((await upload(id, randomBytes(LIMIT + 1))).status).toBe(413);
    const pieces = new ReadableStream({
      start(controller) {
        for (let sent = 0; sent <= LIMIT; sent += 65_536) controller.enqueue(randomBytes(65_536));
        controller.close();
      },
    });
    expect((await upload(id, pieces)).status).toBe(413); // without an announced length
    expect([(await show(id)).status, await files(id)]).toEqual(['queued', []]);
    expect((await upload(id, 'data')).status).toBe(204);
  });

  test('an upload whose client goes away leaves a queued image and no file', async () => {
    const id = await make();
    const abort = new AbortController();
    const endless = new ReadableStream({
      async pull(controller) {
        if (abort.signal.aborted) return controller.close(); // fetch pulls on after an abort
        controller.enqueue(randomBytes(1_024));
        if ((await show(id)).status === 'saving') abort.abort();
      },
    });
    const sent = fetch(`${service.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': owner, ...OCTETS },
      body: endless,
      signal: abort.signal,
      duplex: 'half',
    } as RequestInit);
    await expect(sent).rejects.toThrow('abort');
    expect(
      await eventually(
        async () => (await show(id)).status,
        (status) => status === 'queued',
      ),
    ).toBe('queued');
    expect(await files(id)).toEqual([]);
  });

  test('an image that is deleted while its data arrives leaves no file', async () => {
    const id = await make();
    const slow = new ReadableStream({
      async start(controller) {
        controller.enqueue(randomBytes(1_024));
        await eventually(async () => (await show(id)).status === 'saving');
        await call('DELETE', `/v2/images/${id}`, { token: owner });
        controller.close();
      },
    });
    expect((await upload(id, slow)).status).toBe(410);
    expect(await files(id)).toEqual([]);
  });

  test('data needs formats first', async () => {
    const id = await make({ disk_format: null });
    expect((await upload(id, 'data')).status).toBe(400);
    expect((await call('PUT', `/v2/images/${id}/file`, { token: owner, json: {} })).status).toBe(415);
  });

  test('a protected image is not deleted, a deactivated one gives no data to its owner', async () => {
    const id = await make({ protected: true });
    await upload(id, 'data');
    expect((await call('DELETE', `/v2/images/${id}`, { token: admin })).status).toBe(403);
    expect((await call('POST', `/v2/images/${id}/actions/deactivate`, { token: owner })).status).toBe(403);
    expect((await call('POST', `/v2/images/${id}/actions/deactivate`, { token: admin })).status).toBe(204);
    expect((await call('GET', `/v2/images/${id}/file`, { token: owner })).status).toBe(403);
    expect((await call('POST', `/v2/images/${id}/actions/reactivate`, { token: admin })).status).toBe(204);
    expect((await call('GET', `/v2/images/${id}/file`, { token: owner })).text).toBe('data');
  });
});

describe('who sees and changes what', () => {
  test.each([
    { visibility: 'private', sees: 404, changes: 404, lists: false, listsCommunity: false },
    { visibility: 'shared', sees: 404, changes: 404, lists: false, listsCommunity: false },
    { visibility: 'community', sees: 200, changes: 403, lists: false, listsCommunity: true },
    { visibility: 'public', sees: 200, changes: 403, lists: true, listsCommunity: false },
  ])('a $visibility image of another project', async ({ visibility, sees, changes, lists, listsCommunity }) => {
    const id = await make({ visibility, name: visibility }, admin);
    const status = async (method: string, path: string) => (await call(method, path, { token: stranger })).status;
    expect(await status('GET', `/v2/images/${id}`)).toBe(sees);
    expect((await patch(id, [{ op: 'replace', path: '/name', value: 'mine' }], stranger)).status).toBe(changes);
    expect(await status('DELETE', `/v2/images/${id}`)).toBe(changes);
    expect(await status('PUT', `/v2/images/${id}/tags/x`)).toBe(changes);
    expect((await upload(id, 'data', stranger)).status).toBe(changes);
    expect((await idsOf('', stranger)).includes(id)).toBe(lists);
    expect((await idsOf('visibility=community', stranger)).includes(id)).toBe(listsCommunity);
    expect((await show(id, admin)).name).toBe(visibility);
  });

  test('a shared image is listed for its member once the member accepts', async () => {
    const id = await make();
    const members = `/v2/images/${id}/members`;
    expect((await call('POST', members, { token: owner, json: { member: strangerProject } })).json.status).toBe('pending');
    expect((await call('POST', members, { token: owner, json: { member: strangerProject } })).status).toBe(409);
    expect((await call('GET', `/v2/images/${id}`, { token: stranger })).status).toBe(200);
    expect((await idsOf('', stranger)).includes(id)).toBe(false);
    expect((await idsOf('visibility=shared&member_status=pending', stranger)).includes(id)).toBe(true);
    const accept = (token: string) => call('PUT', `${members}/${strangerProject}`, { token, json: { status: 'accepted' } });
    expect([(await accept(owner)).status, (await accept(stranger)).status]).toEqual([403, 200]);
    expect((await idsOf('', stranger)).includes(id)).toBe(true);
    expect((await call('DELETE', `${members}/${strangerProject}`, { token: stranger })).status).toBe(403);
    expect((await call('DELETE', `${members}/${strangerProject}`, { token: owner })).status).toBe(204);
    expect((await call('GET', `/v2/images/${id}`, { token: stranger })).status).toBe(404);
  });

  test('only an administrator publishes an image or gives it away', async () => {
    const id = await make();
    expect((await call('POST', '/v2/images', { token: owner, json: { visibility: 'public' } })).status).toBe(403);
    expect((await patch(id, [{ op: 'replace', path: '/visibility', value: 'public' }])).status).toBe(403);
    expect((await patch(id, [{ op: 'replace', path: '/owner', value: strangerProject }])).status).toBe(403);
    expect((await patch(id, [{ op: 'replace', path: '/owner', value: strangerProject }], admin)).status).toBe(200);
    expect((await call('GET', `/v2/images/${id}`, { token: owner })).status).toBe(404);
  });
});

describe('a patch', () => {
  test('adds, replaces and removes, and unescapes pointers', async () => {
    const id = await make({ name: 'before', hw_a: '1', hw_b: '2' });
    const { status, json } = await patch(id, [
      { op: 'replace', path: '/name', value: 'after' },
      { op: 'add', path: '/trait:a~1b~0c', value: 'required' },
      { op: 'remove', path: '/hw_a' },
      { op: 'replace', path: '/tags', value: ['x', 'x', 'y'] },
    ]);
    expect(status).toBe(200);
    expect(json).toMatchObject({ name: 'after', 'trait:a/b~c': 'required', hw_b: '2', tags: ['x', 'y'] });
    expect(json).not.toHaveProperty('hw_a');
  });

  test.each([
    ['a field that the service keeps', [{ op: 'replace', path: '/status', value: 'active' }], 403],
    ['a field that may not go', [{ op: 'remove', path: '/name' }], 403],
    ['a property that is not there', [{ op: 'replace', path: '/hw_none', value: 'x' }], 409],
    ['a property that is no text', [{ op: 'add', path: '/hw_x', value: 5 }], 400],
    ['a property named __proto__', [{ op: 'add', path: '/__proto__', value: 'x' }], 403],
    ['a visibility that does not exist', [{ op: 'replace', path: '/visibility', value: 'secret' }], 400],
    ['a deeper pointer', [{ op: 'add', path: '/a/b', value: 'x' }], 400],
    ['an unknown operation', [{ op: 'move', path: '/a', from: '/b' }], 400],
    ['no list', { op: 'add', path: '/a', value: 'x' }, 400],
    ['too many properties', ['a', 'b', 'c', 'd', 'e'].map((name) => ({ op: 'add', path: `/${name}`, value: 'x' })), 413],
    [
      'a good and a bad operation',
      [
        { op: 'replace', path: '/name', value: 'half' },
        { op: 'remove', path: '/hw_none' },
      ],
      409,
    ],
  ])('with %s is refused and changes nothing', async (_title, changes, status) => {
    const id = await make({ name: 'steady' });
    expect((await patch(id, changes)).status).toBe(status);
    expect(await show(id)).toMatchObject({ name: 'steady', status: 'queued' });
  });

  test('needs its own content type', async () => {
    const id = await make();
    expect((await call('PATCH', `/v2/images/${id}`, { token: owner, json: [] })).status).toBe(415);
  });
});

describe('a list', () => {
  test.each(['sort=name:asc,size:desc', 'sort_key=size&sort_dir=asc', 'sort_key=disk_format&sort_dir=desc', ''])(
    'in pages shows every image once, in the same order as at once: %s',
    async (sort) => {
      const mark = `m${randomBytes(4).toString('hex')}`;
      for (let number = 0; number < 7; number += 1) await make({ name: number % 3 === 0 ? null : `n${number % 2}`, tags: [mark] });
      const paged: string[] = [];
      let next: string | undefined = `/v2/images?tag=${mark}&limit=2&${sort}`;
      for (let pages = 0; next !== undefined && pages < 20; pages += 1) {
        const { json }: Answer = await call('GET', next, { token: owner });
        paged.push(...json.images.map((image: { id: string }) => image.id));
        next = json.next;
      }
      expect(paged).toEqual(await idsOf(`tag=${mark}&${sort}`, owner));
      expect(new Set(paged).size).toBe(7);
    },
  );

  test('is filtered by fields, properties, several ids and hidden ones', async () => {
    const mark = randomBytes(4).toString('hex');
    const plain = await make({ name: `a,${mark}`, hw_mark: mark });
    const hidden = await make({ name: `b,${mark}`, hw_mark: mark, os_hidden: true });
    expect(await idsOf(`hw_mark=${mark}`, owner)).toEqual([plain]);
    expect(await idsOf(`hw_mark=${mark}&os_hidden=true`, owner)).toEqual([hidden]);
    expect(await idsOf(`id=in:${plain},${hidden}`, owner)).toEqual([plain]);
    expect(await idsOf(`name=${encodeURIComponent(`in:"a,${mark}","other"`)}`, owner)).toEqual([plain]);
    expect(await idsOf(`name=${encodeURIComponent(`a,${mark}`)}&created_at=gt:2001-01-01T00:00:00Z`, owner)).toEqual([plain]);
    expect(await idsOf(`hw_mark=${mark}&created_at=lt:2001-01-01T00:00:00Z`, owner)).toEqual([]);
  });

  test.each([
    'limit=-1',
    'limit=x',
    'marker=none',
    'sort=colour:asc',
    'sort=name:up',
    'visibility=none',
    'size_min=x',
    'created_at=gt:soon',
    'created_at=gt:-200000-01-01T00:00:00Z',
    'min_disk=2147483648',
    'min_ram=999999999999999',
    'size_max=9007199254740992',
    'name=in:"a',
  ])('with %s is a 400', async (query) => {
    expect((await call('GET', `/v2/images?${query}`, { token: owner })).status).toBe(400);
  });
});

describe('bad input and bad days', () => {
  test.each([
    ['malformed JSON', '{"name": ', 400],
    ['a field that the service keeps', '{"status": "active"}', 403],
    ['NUL in text', String.raw`{"name": "a\u0000"}`, 400],
    ['an id that is none', '{"id": "../../etc/passwd"}', 400],
    ['a huge body', JSON.stringify({ name: 'x', hw_x: 'y'.repeat(300_000) }), 413],
  ])('%s makes no image', async (_title, body, status) => {
    const rows = () => database.query('select id from image_images');
    const before = (await rows()).length;
    const answer = await call('POST', '/v2/images', { token: owner, body, headers: { 'Content-Type': 'application/json' } });
    expect([answer.status, (await rows()).length]).toEqual([status, before]);
  });

  test('an error is HTML, which glanceclient reads, and JSON for those who ask for it', async () => {
    const path = '/v2/images/%3Cb%3E';
    const html = await call('GET', path, { token: owner, headers: { Accept: '*/*' } });
    expect([html.status, html.headers.get('content-type')]).toEqual([404, 'text/html; charset=UTF-8']);
    expect(html.text).toContain('No image found with ID &lt;b&gt;');
    const { json } = await call('GET', path, { token: owner });
    expect(json).toEqual({ message: 'No image found with ID <b>', code: '404 Not Found', title: 'Not Found' });
  });

  test('a revoked token is good no longer than the cache says; identity that is gone is a 503', async () => {
    const token = await logIn(identity.url, 'demo', PASSWORDS.demoPassword, inProject('demo'));
    const status = async (used: string) => (await call('GET', '/v2/images', { token: used })).status;
    expect([await status(token), await status('unknown'), await status('')]).toEqual([200, 401, 401]);
    await caller(identity.url)('DELETE', '/v3/auth/tokens', { token, headers: { 'X-Subject-Token': token } });
    clock.forward(30_001);
    expect(await status(token)).toBe(401);
    const port = Number(new URL(identity.url).port);
    await identity.stop();
    expect(await status(owner)).toBe(503);
    identity = await anIdentity(database.url, { clock, port });
    expect(await status(owner)).toBe(200);
  });

  test('a start removes what a crash left, queues interrupted uploads again, and touches no other file', async () => {
    const [whole, interrupted] = [await make({ name: 'whole' }), await make()];
    await upload(whole, 'data');
    await service.stop();
    await database.query("update image_images set status = 'saving' where id = $1", [interrupted]);
    const orphan = '00000000-0000-4000-8000-000000000001';
    for (const name of [`${interrupted}.${orphan}.part`, orphan, 'notes.txt']) await writeFile(join(dataDir, name), 'left');
    const port = Number(new URL(service.url).port);
    service = await anImageService({ databaseUrl: database.url, identityUrl: identity.url, dataDir }, { clock, port });
    expect([await files(interrupted), await files(orphan), await files('notes'), await files(whole)]).toEqual([
      [],
      [],
      ['notes.txt'],
      [whole],
    ]);
    expect((await show(interrupted)).status).toBe('queued');
    expect((await call('GET', `/v2/images/${whole}/file`, { token: owner })).text).toBe('data');
  });

  test('the seed image is made once, also by two at the same time', async () => {
    const seed = () =>
      seedImage({ identityUrl: identity.url, imageUrl: service.url, password: PASSWORDS.adminPassword, log: silentLogger });
    const [first, second] = await Promise.all([seed(), seed()]);
    expect([second, await seed()]).toEqual([first, first]);
    const ready = await eventually(
      () => show(first, stranger),
      ({ status }) => status === 'active',
    );
    expect(ready).toMatchObject({ name: 'cirros', visibility: 'public', disk_format: 'qcow2', size: 2_048, virtual_size: 1024 ** 2 });
    expect(await idsOf('name=cirros', stranger)).toEqual([first]);
  });
});
