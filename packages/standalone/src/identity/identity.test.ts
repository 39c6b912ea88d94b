import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts';
import { eventually } from '../../../../tests/support/eventually.ts';
import { anIdentity, caller, inProject, logIn, movableClock, passwordAuth, PASSWORDS } from '../testing.ts';
import { identitySection } from './config.ts';
import { startIdentity } from './main.ts';

let database: TestDatabase;
let identity: Awaited<ReturnType<typeof anIdentity>>;
let call: ReturnType<typeof caller>;
let admin: string;
let demo: string;
const clock = movableClock();

beforeAll(async () => {
  database = await freshDatabase();
  identity = await anIdentity(database.url, { clock, purgeIntervalMs: 100, maxBodyBytes: 8_192 });
  call = caller(identity.url);
  admin = await logIn(identity.url, 'admin', PASSWORDS.adminPassword, inProject('admin'));
  demo = await logIn(identity.url, 'demo', PASSWORDS.demoPassword, inProject('demo'));
});

afterAll(async () => {
  await identity?.stop();
  await database?.drop();
});

const count = async (table: string) => Number((await database.query<{ n: string }>(`select count(*) as n from ${table}`))[0]?.n);
const check = (token: string) => call('GET', '/v3/auth/tokens', { token: admin, headers: { 'X-Subject-Token': token } });

/** A user of its own, with the role member in a project of its own. */
async function aMember(name: string): Promise<{ userId: string; projectId: string; roleId: string; token: string }> {
  const project = await call('POST', '/v3/projects', { token: admin, json: { project: { name } } });
  const user = await call('POST', '/v3/users', { token: admin, json: { user: { name, password: 'pass' } } });
  const roles = await call('GET', '/v3/roles?name=member', { token: admin });
  const [projectId, userId, roleId] = [project.json.project.id, user.json.user.id, roles.json.roles[0].id] as const;
  const given = await call('PUT', `/v3/projects/${projectId}/users/${userId}/roles/${roleId}`, { token: admin });
  expect([project.status, user.status, given.status]).toEqual([201, 201, 204]);
  return { userId, projectId, roleId, token: await logIn(identity.url, name, 'pass', { project: { id: projectId } }) };
}

describe('logging in', () => {
  test('a project token lists implied roles and a catalog with the project in its addresses', async () => {
    const { status, json, headers } = await call('POST', '/v3/auth/tokens', {
      json: passwordAuth('admin', PASSWORDS.adminPassword, inProject('admin')),
    });
    expect(status).toBe(201);
    expect(headers.get('x-subject-token')).toMatch(/^\w{40,}$/);
    expect(headers.get('vary')).toBe('X-Auth-Token');
    expect(headers.get('x-openstack-request-id')).toMatch(/^req-[0-9a-f-]{36}$/);
    expect(json.token.roles.map((role: { name: string }) => role.name)).toEqual(['admin', 'manager', 'member', 'reader']);
    expect(json.token.project).toMatchObject({ name: 'admin', domain: { id: 'default', name: 'Default' } });
    expect(json.token.expires_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    const urls = json.token.catalog.map(({ type, endpoints }: any) => [type, endpoints[0].url]);
    expect(urls).toEqual([
      ['identity', `${identity.url}/v3`],
      ['compute', `http://compute.test/v2.1/${json.token.project.id}`],
    ]);
  });

  test.each([
    ['a wrong password', passwordAuth('admin', 'wrong', inProject('admin'))],
    ['an unknown user', passwordAuth('nobody', 'wrong', inProject('admin'))],
    ['a project in which the user has no role', passwordAuth('demo', PASSWORDS.demoPassword, inProject('admin'))],
    ['a project that does not exist', passwordAuth('demo', PASSWORDS.demoPassword, inProject('none'))],
    ['the system without a role there', passwordAuth('demo', PASSWORDS.demoPassword, { system: { all: true } })],
    ['an unknown method', { auth: { identity: { methods: ['oauth1'], oauth1: {} } } }],
    ['a method named like an inherited property', { auth: { identity: { methods: ['constructor'], constructor: {} } } }],
  ])('%s is one and the same 401', async (_title, json) => {
    const answer = await call('POST', '/v3/auth/tokens', { json });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe(`Keystone uri="${identity.url}"`);
    expect(answer.json).toEqual({
      error: { code: 401, message: 'The request you have made requires authentication.', title: 'Unauthorized' },
    });
  });

  test.each([
    ['system', { system: { all: true } }, { system: { all: true } }],
    ['unscoped', 'unscoped', { project: undefined, roles: undefined, catalog: undefined }],
    ['no', undefined, { project: { name: 'admin' } }],
  ])('%s scope gives a token for it', async (_title, scope, expected) => {
    const { status, json } = await call('POST', '/v3/auth/tokens', { json: passwordAuth('admin', PASSWORDS.adminPassword, scope) });
    expect(status).toBe(201);
    const found = Object.fromEntries(Object.keys(expected).map((key) => [key, json.token[key]]));
    expect(found).toMatchObject(expected);
  });

  test('a token made from a token ends when the first one ends', async () => {
    const first = await check(demo);
    clock.forward(60_000);
    const json = { auth: { identity: { methods: ['token'], token: { id: demo } }, scope: 'unscoped' } };
    const second = await call('POST', '/v3/auth/tokens', { json });
    expect(second.status).toBe(201);
    expect(second.json.token.expires_at).toBe(first.json.token.expires_at);
    expect(second.json.token.issued_at).not.toBe(first.json.token.issued_at);
    expect(second.json.token.methods.toSorted()).toEqual(['password', 'token']);
  });

  test('passwords and tokens are in no table', async () => {
    const rows = await database.query<{ found: boolean }>(
      `select strpos((select string_agg(u::text, '') from identity_users u), $1) > 0
           or strpos((select string_agg(t::text, '') from identity_tokens t), $2) > 0 as found`,
      [PASSWORDS.adminPassword, admin],
    );
    expect(rows).toEqual([{ found: false }]);
  });
});

describe('a token stops being good', () => {
  const gone = async (token: string) => {
    expect((await check(token)).status).toBe(404);
    expect((await call('GET', '/v3/auth/projects', { token })).status).toBe(401);
  };

  test('when it is revoked by its user', async () => {
    const { token } = await aMember('revoker');
    expect((await call('DELETE', '/v3/auth/tokens', { token, headers: { 'X-Subject-Token': token } })).status).toBe(204);
    await gone(token);
  });

  test('when the role is taken away', async () => {
    const { token, userId, projectId, roleId } = await aMember('stripped');
    expect((await call('DELETE', `/v3/projects/${projectId}/users/${userId}/roles/${roleId}`, { token: admin })).status).toBe(204);
    await gone(token);
  });

  test.each([
    ['user', 'disabled-user', 'enabled', false],
    ['user', 'new-password', 'password', 'another'],
    ['project', 'disabled-project', 'enabled', false],
  ] as const)('when the %s is changed: %s', async (kind, name, field, value) => {
    const member = await aMember(name);
    const id = kind === 'user' ? member.userId : member.projectId;
    expect((await call('PATCH', `/v3/${kind}s/${id}`, { token: admin, json: { [kind]: { [field]: value } } })).status).toBe(200);
    await gone(member.token);
  });

  test('when its project is deleted', async () => {
    const { token, projectId } = await aMember('deleted-project');
    expect((await call('DELETE', `/v3/projects/${projectId}`, { token: admin })).status).toBe(204);
    await gone(token);
  });
});

describe('who may do what', () => {
  test.each([
    ['GET', '/v3/projects'],
    ['GET', '/v3/users'],
    ['GET', '/v3/services'],
    ['GET', '/v3/role_assignments'],
    ['POST', '/v3/projects'],
    ['POST', '/v3/roles'],
    ['DELETE', '/v3/domains/default'],
  ])('a member may not %s %s', async (method, path) => {
    const answer = await call(method, path, {
      token: demo,
      ...(method === 'POST' ? { json: { project: { name: 'x' }, role: { name: 'x' } } } : {}),
    });
    expect([answer.status, answer.json.error.title]).toEqual([403, 'Forbidden']);
  });

  test('a member reads itself and its own project, and nobody else', async () => {
    const { userId, projectId, token } = await aMember('reader-of-itself');
    const other = await aMember('somebody-else');
    const status = async (path: string) => (await call('GET', path, { token })).status;
    expect(
      await Promise.all([status(`/v3/users/${userId}`), status(`/v3/projects/${projectId}`), status(`/v3/users/${userId}/projects`)]),
    ).toEqual([200, 200, 200]);
    expect(await Promise.all([status(`/v3/users/${other.userId}`), status(`/v3/projects/${other.projectId}`)])).toEqual([403, 403]);
    const peek = await call('GET', '/v3/auth/tokens', { token, headers: { 'X-Subject-Token': other.token } });
    expect(peek.status).toBe(403);
  });

  test('a service may check any token, and write nothing', async () => {
    const nova = await logIn(identity.url, 'nova', PASSWORDS.servicePassword, inProject('service'));
    expect((await call('GET', '/v3/auth/tokens', { token: nova, headers: { 'X-Subject-Token': demo } })).status).toBe(200);
    expect((await call('HEAD', '/v3/auth/tokens', { token: nova, headers: { 'X-Subject-Token': demo } })).status).toBe(200);
    expect((await call('POST', '/v3/users', { token: nova, json: { user: { name: 'x' } } })).status).toBe(403);
  });

  test('an application credential has its own roles and cannot be turned into more', async () => {
    const { user } = (await check(admin)).json.token;
    const made = await call('POST', `/v3/users/${user.id}/application_credentials`, {
      token: admin,
      json: { application_credential: { name: 'robot', roles: [{ name: 'reader' }] } },
    });
    expect(made.status).toBe(201);
    const { id, secret } = made.json.application_credential;
    const credential = { methods: ['application_credential'], application_credential: { id, secret } };
    const login = await call('POST', '/v3/auth/tokens', { json: { auth: { identity: credential } } });
    expect(login.json.token.roles.map((role: { name: string }) => role.name)).toEqual(['reader']);
    const token = login.headers.get('x-subject-token') ?? '';
    const more = { auth: { identity: { methods: ['token'], token: { id: token } }, scope: inProject('admin') } };
    expect((await call('POST', '/v3/auth/tokens', { json: more })).status).toBe(401);
    const ruled = { name: 'ruled', access_rules: [{ service: 'compute', method: 'GET', path: '/v2.1/servers' }] };
    const refused = await call('POST', `/v3/users/${user.id}/application_credentials`, {
      token: admin,
      json: { application_credential: ruled },
    });
    expect([refused.status, refused.json.error.message]).toEqual([400, expect.stringContaining('access_rules')]);
    const another = { application_credential: { name: 'child' } };
    expect((await call('POST', `/v3/users/${user.id}/application_credentials`, { token, json: another })).status).toBe(403);
    const wrong = { methods: ['application_credential'], application_credential: { id, secret: 'wrong' } };
    expect((await call('POST', '/v3/auth/tokens', { json: { auth: { identity: wrong } } })).status).toBe(401);
  });
});

describe('keeping projects, users, roles and domains', () => {
  test('a role of a domain is refused, and does not become one for all', async () => {
    const made = await call('POST', '/v3/roles', { token: admin, json: { role: { name: 'local', domain_id: 'default' } } });
    expect([made.status, made.json.error?.message]).toEqual([400, expect.stringContaining('role.domain_id')]);
    expect((await call('GET', '/v3/roles?name=local', { token: admin })).json.roles).toEqual([]);
  });

  test('a name is taken once per domain', async () => {
    const domain = await call('POST', '/v3/domains', { token: admin, json: { domain: { name: 'second' } } });
    expect(domain.status).toBe(201);
    const { id } = domain.json.domain;
    for (const [kind, body] of [
      ['project', { name: 'twin' }],
      ['user', { name: 'twin' }],
    ] as const) {
      const make = async (extra: object) =>
        (await call('POST', `/v3/${kind}s`, { token: admin, json: { [kind]: { ...body, ...extra } } })).status;
      expect([await make({}), await make({}), await make({ domain_id: id }), await make({ domain_id: 'none' })]).toEqual([
        201, 409, 201, 404,
      ]);
    }
    expect((await call('DELETE', `/v3/domains/${id}`, { token: admin })).status).toBe(403);
    await call('PATCH', `/v3/domains/${id}`, { token: admin, json: { domain: { enabled: false } } });
    expect((await call('DELETE', `/v3/domains/${id}`, { token: admin })).status).toBe(204);
    expect((await call('GET', `/v3/projects?domain_id=${id}`, { token: admin })).json.projects).toEqual([]);
  });

  test('a project with children is not deleted', async () => {
    const make = async (project: object) =>
      (await call('POST', '/v3/projects', { token: admin, json: { project } })).json.project.id as string;
    const parent = await make({ name: 'parent' });
    const child = await make({ name: 'child', parent_id: parent });
    expect((await call('DELETE', `/v3/projects/${parent}`, { token: admin })).status).toBe(403);
    expect((await call('GET', `/v3/projects?parent_id=${parent}`, { token: admin })).json.projects.map((row: any) => row.id)).toEqual([
      child,
    ]);
    expect((await call('DELETE', `/v3/projects/${child}`, { token: admin })).status).toBe(204);
    expect((await call('DELETE', `/v3/projects/${parent}`, { token: admin })).status).toBe(204);
    expect((await call('GET', `/v3/projects/${parent}`, { token: admin })).status).toBe(404);
  });

  test('a list in pages shows every entry once', async () => {
    const seen: string[] = [];
    let path: string | null = '/v3/roles?limit=2';
    for (let pages = 0; path !== null && pages < 20; pages += 1) {
      const { json } = await call('GET', path, { token: admin });
      seen.push(...json.roles.map((role: { name: string }) => role.name));
      path = json.links.next === null ? null : json.links.next.slice(identity.url.length);
    }
    expect(seen.toSorted()).toEqual(['admin', 'manager', 'member', 'reader', 'service']);
  });

  test('a role is given twice without complaint, checked, listed with names, and taken once', async () => {
    const { userId, projectId, roleId } = await aMember('assigned');
    const path = `/v3/projects/${projectId}/users/${userId}/roles/${roleId}`;
    const status = async (method: string) => (await call(method, path, { token: admin })).status;
    expect([await status('PUT'), await status('HEAD')]).toEqual([204, 204]);
    const listed = await call('GET', `/v3/role_assignments?user.id=${userId}&effective&include_names=true`, { token: admin });
    const named = listed.json.role_assignments.map((one: any) => [one.role.name, one.user.name, one.scope.project.name]);
    expect(named.toSorted()).toEqual([
      ['member', 'assigned', 'assigned'],
      ['reader', 'assigned', 'assigned'],
    ]);
    expect([await status('DELETE'), await status('DELETE'), await status('HEAD')]).toEqual([204, 404, 404]);
  });

  test('discovery links lead to the address that was asked', async () => {
    const { port } = new URL(identity.url);
    const { status, json } = await caller(`http://localhost:${port}`)('GET', '/');
    expect([status, json.versions.values[0].links[0].href]).toEqual([300, `http://localhost:${port}/v3/`]);
  });
});

describe('bad input', () => {
  const json = { 'Content-Type': 'application/json' };
  test.each([
    ['malformed JSON', 'POST', '/v3/projects', '{"project": ', 400],
    ['no body', 'POST', '/v3/projects', '', 400],
    ['a list for an object', 'POST', '/v3/projects', '[]', 400],
    ['a number for a name', 'POST', '/v3/projects', '{"project": {"name": 5}}', 400],
    ['a name of blanks', 'POST', '/v3/projects', '{"project": {"name": "  "}}', 400],
    ['a name that is too long', 'POST', '/v3/projects', JSON.stringify({ project: { name: 'x'.repeat(65) } }), 400],
    ['text for a flag', 'POST', '/v3/projects', '{"project": {"name": "x", "enabled": "yes"}}', 400],
    ['NUL in text', 'POST', '/v3/projects', String.raw`{"project": {"name": "a\u0000b"}}`, 400],
    ['half a surrogate pair', 'POST', '/v3/projects', String.raw`{"project": {"name": "a\ud800"}}`, 400],
    ['broken UTF-8', 'POST', '/v3/projects', Buffer.from('{"project": {"name": "\xff\xfe"}}', 'latin1'), 400],
    ['deep nesting', 'POST', '/v3/projects', `{"project": ${'['.repeat(2_000)}${']'.repeat(2_000)}}`, 400],
    ['a huge body', 'POST', '/v3/projects', JSON.stringify({ project: { name: 'x', description: 'y'.repeat(2_000_000) } }), 413],
    ['NUL in the path', 'GET', '/v3/projects/a%00b', undefined, 400],
    ['broken UTF-8 in the path', 'GET', '/v3/projects/%ff', undefined, 400],
    ['NUL in the query', 'GET', '/v3/projects?name=%00', undefined, 400],
    ['broken UTF-8 in the query', 'GET', '/v3/projects?name=%ff', undefined, 400],
    ['a limit that is no number', 'GET', '/v3/projects?limit=-1', undefined, 400],
    ['an unknown address', 'GET', '/v3/nothing', undefined, 404],
    ['a method that is not there', 'PUT', '/v3/projects', undefined, 405],
  ])('%s is refused and leaves nothing behind', async (_title, method, path, body, status) => {
    const before = await count('identity_projects');
    const answer = await call(method, path, { token: admin, headers: json, ...(body === undefined ? {} : { body }) });
    expect(answer.status).toBe(status);
    expect(answer.json.error).toMatchObject({ code: status, message: expect.any(String), title: expect.any(String) });
    expect(await count('identity_projects')).toBe(before);
  });
});

describe('bad days', () => {
  test('a database that is gone is a 503 in bounded time, and health says so until it is back', async () => {
    const own = await freshDatabase();
    const service = await anIdentity(own.url, { acquireTimeoutMs: 500 });
    try {
      const login = () =>
        caller(service.url)('POST', '/v3/auth/tokens', { json: passwordAuth('admin', PASSWORDS.adminPassword, inProject('admin')) });
      const server = database.query.bind(database);
      await server(`alter database ${own.name} allow_connections false`);
      await server('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [own.name]);
      const started = performance.now();
      const answer = await login();
      expect([answer.status, answer.json.error.title]).toEqual([503, 'Service Unavailable']);
      expect(performance.now() - started).toBeLessThan(5_000);
      expect((await service.health()).ok).toBe(false);
      await server(`alter database ${own.name} allow_connections true`);
      expect(
        await eventually(
          async () => (await login()).status,
          (status) => status === 201,
        ),
      ).toBe(201);
      expect((await service.health()).ok).toBe(true);
    } finally {
      await service.stop();
      await own.drop();
    }
  });

  test('until it is opened it changes no password and answers with 503', async () => {
    const second = await startIdentity({
      ...{ clock, random: systemRandom, log: silentLogger, metrics: createMetrics('second') },
      ...{ databaseUrl: database.url, catalog: [], bootstrap: { ...PASSWORDS, adminPassword: 'other' } },
      config: defaultsOf(identitySection, { port: 0, scryptCost: 1_024 }),
    });
    try {
      expect((await caller(second.url)('GET', '/v3')).status).toBe(503);
      await logIn(identity.url, 'admin', PASSWORDS.adminPassword, inProject('admin'));
    } finally {
      await second.stop();
    }
  });

  test('a port that is taken is an error that names the option, and changes no password', async () => {
    const port = Number(new URL(identity.url).port);
    const other = { ...PASSWORDS, adminPassword: 'other' };
    await expect(anIdentity(database.url, { port, bootstrap: other })).rejects.toThrow(/identity\.port.*the port is taken/);
    await logIn(identity.url, 'admin', PASSWORDS.adminPassword, inProject('admin'));
  });

  test('a restart keeps every id, sets the passwords that it is given, and lets the administrator in again', async () => {
    const own = await freshDatabase();
    const ids = async (url: string, password: string) => {
      const token = await logIn(url, 'admin', password, inProject('admin'));
      const list = async (kind: string) =>
        (await caller(url)('GET', `/v3/${kind}`, { token })).json[kind].map((row: { id: string }) => row.id);
      return { token, ids: await Promise.all(['projects', 'users', 'roles', 'role_assignments', 'services'].map(list)) };
    };
    try {
      const first = await anIdentity(own.url);
      const before = await ids(first.url, PASSWORDS.adminPassword);
      await first.stop();
      await own.query("update identity_projects set enabled = false where name = 'admin'");
      await own.query("update identity_users set enabled = false where name in ('admin', 'demo')");
      const second = await anIdentity(own.url, { bootstrap: { ...PASSWORDS, adminPassword: 'changed' } });
      expect((await ids(second.url, 'changed')).ids).toEqual(before.ids);
      expect((await caller(second.url)('GET', '/v3/users', { token: before.token })).status).toBe(200);
      const old = await caller(second.url)('POST', '/v3/auth/tokens', { json: passwordAuth('admin', PASSWORDS.adminPassword) });
      expect(old.status).toBe(401);
      const disabled = await caller(second.url)('POST', '/v3/auth/tokens', { json: passwordAuth('demo', PASSWORDS.demoPassword) });
      expect(disabled.status).toBe(401);
      await second.stop();
      await expect(anIdentity(own.url, { bootstrap: { ...PASSWORDS, demoPassword: '' } })).rejects.toThrow(/demoPassword/);
    } finally {
      await own.drop();
    }
  });

  test('logins beyond the limit get 503 instead of a place in an endless queue', async () => {
    const own = await freshDatabase();
    const service = await anIdentity(own.url, { maxWaitingLogins: 1, scryptCost: 65_536 });
    try {
      const json = passwordAuth('admin', PASSWORDS.adminPassword, inProject('admin'));
      const statuses = await Promise.all(
        Array.from({ length: 6 }, async () => (await caller(service.url)('POST', '/v3/auth/tokens', { json })).status),
      );
      expect(new Set(statuses)).toEqual(new Set([201, 503]));
    } finally {
      await service.stop();
      await own.drop();
    }
  });

  test('more expired tokens than one statement removes go at once, and do not pile up', async () => {
    const own = await freshDatabase();
    const rounds: (() => void)[] = [];
    const moved = {
      ...movableClock(),
      after: (ms: number, run: () => void) => (ms === 77_777 ? (rounds.push(run), () => {}) : systemClock.after(ms, run)),
    };
    const service = await anIdentity(own.url, { clock: moved, purgeBatch: 1, purgeIntervalMs: 77_777 });
    const left = async () => Number((await own.query<{ n: string }>('select count(*) as n from identity_tokens'))[0]?.n);
    try {
      for (let made = 0; made < 3; made++) await logIn(service.url, 'admin', PASSWORDS.adminPassword, inProject('admin'));
      expect([await left(), rounds.length]).toEqual([3, 1]);
      moved.forward(3_600_001);
      rounds[0]!(); // the one round of this test
      expect(await eventually(left, (tokens) => tokens === 0)).toBe(0);
    } finally {
      await service.stop();
      await own.drop();
    }
  });

  test('an expired token is unknown, and its row is removed in the background', async () => {
    const before = await count('identity_tokens');
    expect(before).toBeGreaterThan(0);
    clock.forward(3_600_001);
    expect((await call('GET', '/v3/auth/projects', { token: demo })).status).toBe(401);
    expect(
      await eventually(
        () => count('identity_tokens'),
        (left) => left === 0,
      ),
    ).toBe(0);
  });
});
