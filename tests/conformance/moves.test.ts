import { failure, type ActOnServer, type ListMigrations, type ServerRef } from '@kilonova/objects';
import { afterEach, describe, expect, test } from 'vitest';
import { PROJECT, SERVER } from './canned-conductor.ts';
import { startTestApi, type Ask, type TestApi } from './test-api.ts';

let api: TestApi;
afterEach(() => api.stop());

const lastAsked = <T>(method: string) => api.asked.findLast((one) => one.method === method)?.request as T;
const act = (body: object, options: Ask = {}) => api.ask('POST', `/v2.1/servers/${SERVER}/action`, { ...options, body });
const optionsOf = async (body: object, version: number) => {
  expect((await act(body, { version })).status).toBeLessThan(300);
  return lastAsked<ActOnServer>('actOnServer').options;
};

describe('what a move asks of the conductor', () => {
  test('a named host passes the scheduler over until there is force, then as force says, and never without force again', async () => {
    api = await startTestApi();
    const live = (version: number, more: object = {}) =>
      optionsOf({ 'os-migrateLive': { host: 'h2', block_migration: 'auto', ...more } }, version);
    expect(await live(25)).toEqual({ host: 'h2', force: 'true' });
    expect(await live(30)).toEqual({ host: 'h2', force: null });
    expect(await live(67, { force: 'True' })).toEqual({ host: 'h2', force: 'true', async: 'true' });
    expect(await live(68)).toEqual({ host: 'h2', force: null, async: 'true' });
    const evacuation = (version: number, more: object = {}) => optionsOf({ evacuate: { host: 'h2', ...more } }, version);
    expect(await evacuation(28)).toEqual({ host: 'h2', force: 'true', stopped: null });
    expect(await evacuation(29)).toEqual({ host: 'h2', force: null, stopped: null });
    expect(await evacuation(29, { force: true })).toEqual({ host: 'h2', force: 'true', stopped: null });
    expect(await evacuation(95)).toEqual({ host: 'h2', force: null, stopped: 'true' });
  });

  test('a live migration is looked into before it is accepted up to 2.33, and afterwards from 2.34 on', async () => {
    api = await startTestApi();
    const body = { 'os-migrateLive': { host: null, block_migration: 'auto' } };
    expect(await optionsOf(body, 33)).not.toHaveProperty('async');
    expect(await optionsOf(body, 34)).toMatchObject({ async: 'true' });
  });

  test('force without a host is refused', async () => {
    api = await startTestApi();
    const answer = await act({ 'os-migrateLive': { host: null, block_migration: 'auto', force: true } }, { version: 30 });
    expect([answer.status, answer.body.badRequest.message]).toEqual([400, "Can't force to a non-provided destination"]);
  });

  test('a cold migration names a host from 2.56 on, and only with the right to', async () => {
    api = await startTestApi();
    expect(await optionsOf({ migrate: null }, 1)).toEqual({ host: null });
    expect(await optionsOf({ migrate: { host: 'h2' } }, 55)).toEqual({ host: null });
    expect(await optionsOf({ migrate: { host: 'h2' } }, 56)).toEqual({ host: 'h2' });
    const member = await act({ migrate: { host: 'h2' } }, { version: 56, token: 'member' });
    expect(member.body.forbidden.message).toBe("Policy doesn't allow os_compute_api:os-migrate-server:migrate:host to be performed.");
  });

  test('a resize carries its flavor as text, what shall become of the disk, and whether there may be none', async () => {
    api = await startTestApi();
    const resize = { resize: { flavorRef: 2, 'OS-DCF:diskConfig': 'AUTO' } };
    expect(await optionsOf(resize, 1)).toEqual({ flavorId: '2', diskConfig: 'AUTO', zeroDiskDeniedBy: null });
    await act(resize, { token: 'member' });
    expect(lastAsked<ActOnServer>('actOnServer').options).toMatchObject({
      zeroDiskDeniedBy: 'os_compute_api:servers:create:zero_disk_flavor',
    });
    expect((await act({ confirmResize: null })).status).toBe(204);
  });

  test('an evacuation answers with a password up to 2.13, the given one if there is one', async () => {
    api = await startTestApi();
    const evacuation = { onSharedStorage: false };
    expect((await act({ evacuate: { ...evacuation, adminPass: 'mine' } }, { version: 13 })).body).toEqual({ adminPass: 'mine' });
    expect((await act({ evacuate: evacuation }, { version: 13 })).body.adminPass).toMatch(/^\w{12}$/);
    const later = await act({ evacuate: {} }, { version: 14 });
    expect([later.status, later.text]).toEqual([200, '']);
  });

  test('an evacuation onto a disk that is shared has no password to give, and takes none', async () => {
    api = await startTestApi();
    const evacuation = { host: 'h2', onSharedStorage: 'True' };
    const refused = await act({ evacuate: { ...evacuation, adminPass: 'mine' } }, { version: 13 });
    expect([refused.status, refused.body.badRequest?.message]).toEqual([400, "admin password can't be changed on existing disk"]);
    expect(api.asked).toEqual([]);
    const answer = await act({ evacuate: evacuation }, { version: 13 });
    expect([answer.status, answer.body]).toEqual([200, { adminPass: null }]);
  });

  test('a migration that is not there is nothing to abort, and a bad request to complete', async () => {
    const message = `Migration 99999 not found for instance ${SERVER}`;
    api = await startTestApi({
      actOnServer: () => {
        throw failure('MigrationNotFound', message);
      },
    });
    const path = `/v2.1/servers/${SERVER}/migrations/99999`;
    const aborted = await api.ask('DELETE', path, { version: 24 });
    expect([aborted.status, aborted.body]).toEqual([404, { itemNotFound: { code: 404, message } }]);
    const completed = await api.ask('POST', `${path}/action`, { version: 22, body: { force_complete: null } });
    expect([completed.status, completed.body]).toEqual([400, { badRequest: { code: 400, message } }]);
  });

  test('a server that is not there is nothing to complete', async () => {
    api = await startTestApi({
      actOnServer: () => {
        throw failure('ServerNotFound', 'as told');
      },
    });
    const path = `/v2.1/servers/${SERVER}/migrations/1/action`;
    expect((await api.ask('POST', path, { version: 22, body: { force_complete: null } })).status).toBe(404);
  });

  test('a migration is aborted before it runs from 2.65 on, and named as the client names it', async () => {
    api = await startTestApi();
    const abort = (version: number, id = '7') => api.ask('DELETE', `/v2.1/servers/${SERVER}/migrations/${id}`, { version });
    await abort(64);
    expect(lastAsked<ActOnServer>('actOnServer')).toMatchObject({ action: 'abortMigration', options: { id: '7' } });
    expect(lastAsked<ActOnServer>('actOnServer').options).not.toHaveProperty('early');
    await abort(65);
    expect(lastAsked<ActOnServer>('actOnServer').options).toEqual({ id: '7', early: 'true' });
    await abort(65, 'seven');
    expect(lastAsked<ActOnServer>('actOnServer').options).toMatchObject({ id: 'seven' });
  });
});

test("a server's migration that is named by no number is not found, after the server and the right to look", async () => {
  api = await startTestApi();
  const show = (id: string, options: Ask = {}) => api.ask('GET', `/v2.1/servers/${SERVER}/migrations/${id}`, { version: 23, ...options });
  for (const id of ['abc', '12341d4b-346a-40d0-83c6-5f4f6892b650', '9999999999']) {
    const answer = await show(id);
    const message = `In-progress live migration ${id} is not found for server ${SERVER}.`;
    expect([answer.status, answer.body]).toEqual([404, { itemNotFound: { code: 404, message } }]);
  }
  await show('abc', { token: 'member' });
  expect(lastAsked<ServerRef>('getServer').scope.deniedBy).toBe('os_compute_api:servers:migrations:show');
});

describe('the list of migrations', () => {
  const listed = async (query: string, options: Ask = {}) => {
    const answer = await api.ask('GET', `/v2.1/os-migrations?${query}`, { version: 80, ...options });
    return { answer, asked: lastAsked<ListMigrations>('listMigrations') };
  };

  test('takes its filters from the query, those of later versions only there', async () => {
    api = await startTestApi();
    const query = `host=h1&source_compute=h2&instance_uuid=${SERVER}&status=running&migration_type=resize`;
    const filters = { host: 'h1', sourceHost: 'h2', serverUuid: SERVER, statuses: ['running'], types: ['resize'] };
    expect((await listed(`${query}&user_id=u&project_id=p&changes-since=2026-01-02T03:04:05Z`)).asked).toMatchObject({
      ...filters,
      userId: 'u',
      projectId: 'p',
      changesSince: '2026-01-02T03:04:05.000000Z',
    });
    expect((await listed(`${query}&user_id=u&marker=m`, { version: 23 })).asked).toMatchObject({ ...filters, userId: null, marker: null });
    expect((await listed('user_id=u', { version: 79 })).answer.status).toBe(400);
    expect((await listed('changes-since=2026-02-02&changes-before=2026-01-01')).answer.body.badRequest.message).toBe(
      'The value of changes-since must be less than or equal to changes-before.',
    );
  });

  test('links to the next page when this one is full, and to live migrations that are under way', async () => {
    api = await startTestApi();
    const { answer } = await listed('limit=2');
    expect(answer.body.migrations_links).toEqual([
      { rel: 'next', href: `${api.url}/v2.1/os-migrations?limit=2&marker=${answer.body.migrations[1].uuid}` },
    ]);
    expect(answer.body.migrations.map(({ links }: { links?: object }) => links !== undefined)).toEqual([true, false]);
  });

  test('is empty where hidden ones are asked for: none is ever hidden', async () => {
    api = await startTestApi();
    for (const version of [1, 59, 80])
      for (const yes of ['1', 'true', 'True', 'yes'])
        expect((await listed(`hidden=${yes}&limit=1`, { version })).answer.body).toEqual({ migrations: [] });
    for (const no of ['0', 'false', 'x', '']) expect((await listed(`hidden=${no}`)).answer.body.migrations, `hidden=${no}`).toHaveLength(2);
    expect((await listed('hidden=1', { token: 'member' })).answer.status).toBe(403);
  });

  test("shows another project's to administrators alone", async () => {
    api = await startTestApi();
    const message = "Policy doesn't allow os_compute_api:os-migrations:index:all_projects to be performed.";
    for (const version of [80, 96]) {
      const refused = await listed('project_id=other', { token: 'manager', version });
      expect([refused.answer.status, refused.answer.body.forbidden?.message]).toEqual([403, message]);
      expect((await listed(`project_id=${PROJECT}`, { token: 'manager', version })).answer.status).toBe(200);
    }
    // Up to 2.58 the schema takes any key, and this one says nothing.
    expect((await listed('project_id=other', { token: 'manager', version: 58 })).asked).toMatchObject({
      projectId: null,
      scope: { allProjects: false, projectId: PROJECT },
    });
    expect((await listed('project_id=other')).asked.projectId).toBe('other');
  });

  test('is not for members', async () => {
    api = await startTestApi();
    expect((await listed('', { token: 'member' })).answer.status).toBe(403);
    expect((await listed('')).asked.scope).toMatchObject({ allProjects: true, projectId: PROJECT });
  });
});
