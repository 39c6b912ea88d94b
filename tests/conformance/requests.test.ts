import { failure, Hypervisor, type CreateServers, type ListServers, type ActOnServer } from '@kilonova/objects';
import { afterEach, describe, expect, test } from 'vitest';
import { hypervisor, PROJECT, SERVER } from './canned-conductor.ts';
import { images } from './outside-services.ts';
import { startTestApi, type TestApi } from './test-api.ts';

let api: TestApi;
afterEach(() => api.stop());

const server = { name: 'x', imageRef: images.active, flavorRef: 1 };
const lastAsked = <T>(method: string) => api.asked.findLast((one) => one.method === method)?.request as T;

describe('a server create', () => {
  test('becomes one question with everything that was said', async () => {
    api = await startTestApi();
    const answer = await api.ask('POST', `/v2.1/${PROJECT}/servers`, {
      version: 94,
      headers: { 'Idempotency-Key': 'once' },
      body: {
        server: {
          ...server,
          networks: 'none',
          availability_zone: 'z1',
          key_name: 'mine',
          tags: ['a'],
          min_count: '2',
          max_count: 3,
          config_drive: 'true',
          'OS-DCF:diskConfig': 'AUTO',
          metadata: { a: 'b' },
        },
        'OS-SCH-HNT:scheduler_hints': { group: '616fb98f-46ca-475e-917e-2563e5a8cd19' },
      },
    });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`${api.url}/v2.1/${PROJECT}/servers/${SERVER}`);
    expect(answer.body.server).toMatchObject({ id: SERVER, security_groups: [{ name: 'default' }], 'OS-DCF:diskConfig': 'AUTO' });
    expect(answer.body.server.adminPass).toMatch(/^[A-Za-z0-9]{12}$/);
    expect(lastAsked<CreateServers>('createServers')).toMatchObject({
      idempotencyKey: 'once',
      name: 'x',
      flavorId: '1',
      minCount: 2,
      maxCount: 3,
      availabilityZone: 'z1',
      forcedHost: null,
      keyName: 'mine',
      tags: ['a'],
      configDrive: true,
      diskConfig: 'AUTO',
      metadata: { a: 'b' },
      hints: { group: '616fb98f-46ca-475e-917e-2563e5a8cd19' },
      image: { id: images.active, minDiskGb: 1, minRamMb: 64, properties: { hw_disk_bus: 'virtio' } },
      scope: { userId: 'admin', projectId: PROJECT, admin: true, deniedBy: null },
    });
  });

  test('sends the request id as key when the client has none', async () => {
    api = await startTestApi();
    const answer = await api.ask('POST', '/v2.1/servers', { body: { server } });
    expect(lastAsked<CreateServers>('createServers').idempotencyKey).toBe(answer.headers.get('x-openstack-request-id'));
  });

  test('that repeats an earlier one gets the same id and no password', async () => {
    api = await startTestApi({ createServers: async () => ({ reservationId: 'r-1', serverUuids: [SERVER], replayed: true }) });
    const answer = await api.ask('POST', '/v2.1/servers', { body: { server } });
    expect([answer.status, answer.body.server.id, answer.body.server.adminPass]).toEqual([202, SERVER, undefined]);
  });

  test('that repeats an earlier one needs its image no more, and one that is none is told what is wrong with it', async () => {
    const known = { reservationId: 'r-1', serverUuids: [SERVER], replayed: true };
    // As the conductor does: a key that it knows comes first, and then the flavor.
    api = await startTestApi({
      createServers: async (_context, { idempotencyKey, flavorId }) => {
        if (idempotencyKey === 'known') return known;
        if (idempotencyKey === 'changed') throw failure('IdempotencyConflict', 'another body');
        throw failure('FlavorInvalid', `Flavor ${flavorId} could not be found.`);
      },
    });
    const create = async (key: string | null, imageRef: string = images.active) => {
      const { status, body } = await api.ask('POST', '/v2.1/servers', {
        body: { server: { ...server, imageRef } },
        headers: key === null ? {} : { 'Idempotency-Key': key },
      });
      return [status, status === 202 ? body.server.id : Object.values<{ message: string }>(body)[0]?.message];
    };
    const gone = '11111111-31e7-49b7-b260-868f441e862b';
    expect(await create('known', gone)).toEqual([202, SERVER]);
    expect(await create('known', images.queued)).toEqual([202, SERVER]);
    expect(await create('changed', gone)).toEqual([409, 'another body']);
    expect(await create('new', gone)).toEqual([400, 'Can not find requested image']);
    await api.outside.stopImages();
    expect(await create('known')).toEqual([202, SERVER]);
    expect((await create('new'))[0]).toBe(503);
    const before = api.asked.length;
    expect((await create(null))[0]).toBe(503);
    expect(api.asked.length).toBe(before);
    expect(api.asked.map(({ request }) => (request as CreateServers).flavorId)).toEqual(Array.from({ length: before }, () => ''));
  });

  test('for a reservation answers with its id', async () => {
    api = await startTestApi();
    const answer = await api.ask('POST', '/v2.1/servers', { body: { server: { ...server, return_reservation_id: 'True' } } });
    expect([answer.status, answer.body]).toEqual([202, { reservation_id: 'r-3fhpjulh' }]);
  });

  test('names a host only with the right to', async () => {
    api = await startTestApi();
    const forced = { server: { ...server, availability_zone: 'z1:host-7' } };
    expect((await api.ask('POST', '/v2.1/servers', { body: forced })).status).toBe(202);
    expect(lastAsked<CreateServers>('createServers')).toMatchObject({ availabilityZone: 'z1', forcedHost: 'host-7' });
    const member = await api.ask('POST', '/v2.1/servers', { token: 'member', body: forced });
    expect(member.body.forbidden.message).toBe("Policy doesn't allow os_compute_api:servers:create:forced_host to be performed.");
    const requested = await api.ask('POST', '/v2.1/servers', {
      version: 74,
      token: 'member',
      body: { server: { ...server, networks: 'auto', host: 'host-7' } },
    });
    expect(requested.body.forbidden.message).toBe("Policy doesn't allow compute:servers:create:requested_destination to be performed.");
  });
});

test('a server create says which policy keeps the caller from flavors without a root disk', async () => {
  api = await startTestApi();
  const asked = async (token: string) => {
    expect((await api.ask('POST', '/v2.1/servers', { token, body: { server } })).status).toBe(202);
    return lastAsked<CreateServers>('createServers').zeroDiskDeniedBy;
  };
  expect(await asked('admin')).toBeNull();
  expect(await asked('member')).toBe('os_compute_api:servers:create:zero_disk_flavor');
});

describe('the server list', () => {
  const filtersOf = async (query: string, options: { token?: string; version?: number } = {}) => {
    const answer = await api.ask('GET', `/v2.1/servers/detail?${query}`, options);
    return { answer, asked: lastAsked<ListServers>('listServers') };
  };

  test('shows one project, and all of them only to who may see them', async () => {
    api = await startTestApi();
    expect((await filtersOf('tenant_id=other')).asked).toMatchObject({
      scope: { allProjects: false },
      filters: { projectIds: null, deleted: false },
    });
    expect((await filtersOf('all_tenants=1&project_id=other')).asked).toMatchObject({
      scope: { allProjects: true },
      filters: { projectIds: ['other'] },
    });
    expect((await filtersOf('all_tenants=true', { token: 'member' })).answer.status).toBe(403);
  });

  test('drops filters that the caller may not use', async () => {
    api = await startTestApi();
    expect((await filtersOf('host=h1&key_name=k', { token: 'member' })).asked.filters).toMatchObject({ hosts: null, keyNames: null });
    expect((await filtersOf('host=h1&key_name=k', { token: 'member', version: 83 })).asked.filters).toMatchObject({
      hosts: null,
      keyNames: ['k'],
    });
    expect((await filtersOf('host=h1&vm_state=active')).asked.filters).toMatchObject({ hosts: ['h1'], vmStates: ['active'] });
  });

  test('translates statuses, tags and times', async () => {
    api = await startTestApi();
    expect((await filtersOf('status=active&status=ERROR&changes-since=2026-01-02 03:04')).asked.filters).toMatchObject({
      statuses: ['ACTIVE', 'ERROR'],
      changesSince: '2026-01-02T03:04:00.000000Z',
      deleted: null,
    });
    expect((await filtersOf('tags=a,b&not-tags-any=c', { version: 26 })).asked.filters).toMatchObject({
      tags: ['a', 'b'],
      notTagsAny: ['c'],
    });
  });

  test('knows an unknown status: nothing up to 2.37, an error later', async () => {
    api = await startTestApi();
    expect((await api.ask('GET', '/v2.1/servers?status=GREEN', { version: 37 })).body).toEqual({ servers: [] });
    expect((await api.ask('GET', '/v2.1/servers?status=GREEN', { version: 38 })).body.badRequest.message).toBe('Invalid status value');
    expect((await api.ask('GET', '/v2.1/servers?status=DELETED', { token: 'member' })).status).toBe(403);
  });

  test('refuses unknown keys from 2.75 and keys of other tables always', async () => {
    api = await startTestApi();
    expect((await api.ask('GET', '/v2.1/servers?colour=blue', { version: 74 })).status).toBe(200);
    expect((await api.ask('GET', '/v2.1/servers?colour=blue', { version: 75 })).body.badRequest.message).toBe(
      "'colour' does not match any of the regexes: '^_'",
    );
    expect((await api.ask('GET', '/v2.1/servers?metadata=x')).body.badRequest.message).toBe('Invalid filter field: metadata.');
    expect((await api.ask('GET', '/v2.1/servers?limit=x')).body.badRequest.message).toBe(
      "Invalid input for query parameters limit. Value: x. 'x' does not match '^[0-9]*$'",
    );
  });

  test('links to the next page when this one is full', async () => {
    api = await startTestApi();
    const { answer } = await filtersOf('limit=2&name=a&status=ACTIVE');
    expect(answer.body.servers_links).toEqual([
      { rel: 'next', href: `${api.url}/v2.1/servers/detail?limit=2&name=a&status=ACTIVE&marker=${SERVER}` },
    ]);
    expect((await filtersOf('limit=5')).answer.body.servers_links).toBeUndefined();
    expect((await filtersOf('limit=0')).answer.body).toEqual({ servers: [] });
    expect(lastAsked<ListServers>('listServers').limit).toBe(5);
  });
});

test('a hypervisor without servers shows an empty list of them from 2.75 on, to who asks for it', async () => {
  const empty = Object.assign(new Hypervisor(), hypervisor, { servers: [] });
  api = await startTestApi({
    getHypervisor: async () => empty,
    async *listHypervisors() {
      yield [empty];
    },
  });
  const serversOf = async (path: string, version: number) => {
    const { status, body } = await api.ask('GET', `/v2.1/os-hypervisors${path}`, { version });
    expect(status).toBe(200);
    return (body.hypervisor ?? body.hypervisors[0]).servers as unknown;
  };
  for (const path of ['', '/detail', `/${hypervisor.uuid}`]) {
    expect(await serversOf(`${path}?with_servers=true`, 74)).toBeUndefined();
    expect(await serversOf(`${path}?with_servers=true`, 75)).toEqual([]);
    expect(await serversOf(`${path}?with_servers=true`, 88)).toEqual([]);
    expect(await serversOf(path, 75)).toBeUndefined();
    expect(await serversOf(`${path}?with_servers=false`, 96)).toBeUndefined();
  }
  expect(await serversOf('/compute/servers', 52)).toBeUndefined();
});

test('the instance actions of a server that is gone are there from 2.21 on, and for nobody before', async () => {
  api = await startTestApi({
    getServer: () => {
      throw failure('ServerNotFound', `Instance ${SERVER} could not be found.`);
    },
  });
  for (const path of ['os-instance-actions', 'os-instance-actions/req-8eb28d4a-db6c-4337-bab8-ce154e9c620e'])
    for (const token of ['admin', 'member']) {
      const at = (version: number) => api.ask('GET', `/v2.1/servers/${SERVER}/${path}`, { version, token });
      expect((await at(1)).body.itemNotFound.message).toBe(`Instance ${SERVER} could not be found.`);
      expect([(await at(20)).status, (await at(21)).status]).toEqual([404, 200]);
    }
});

describe('what the conductor says', () => {
  test.each([
    { code: 'ServerNotFound', status: 404, name: 'itemNotFound' },
    { code: 'ServerLocked', status: 409, name: 'conflictingRequest' },
    { code: 'PolicyDenied', status: 403, name: 'forbidden' },
  ] as const)('$code becomes $status', async ({ code, status, name }) => {
    api = await startTestApi({
      actOnServer: () => {
        throw failure(code, 'as told');
      },
    });
    const answer = await api.ask('POST', `/v2.1/servers/${SERVER}/action`, { body: { 'os-start': null } });
    expect([answer.status, answer.body]).toEqual([status, { [name]: { code: status, message: 'as told' } }]);
  });

  test('an unexpected failure becomes 500 without its text', async () => {
    api = await startTestApi({
      getServer: () => {
        throw new Error('password=secret');
      },
    });
    const answer = await api.ask('GET', `/v2.1/servers/${SERVER}`);
    expect([answer.status, answer.text.includes('secret')]).toEqual([500, false]);
    expect(answer.body.computeFault.message).toContain('Unexpected API Error');
  });

  test('a missing database, and nobody there at all, become 503 in bounded time', async () => {
    api = await startTestApi({
      getServer: () => {
        throw failure('DatabaseUnavailable', 'gone');
      },
    });
    const gone = await api.ask('GET', `/v2.1/servers/${SERVER}`);
    expect([gone.status, gone.body.serviceUnavailable.code, gone.headers.get('retry-after')]).toEqual([503, 503, '2']);
    await api.stopConductor();
    const started = performance.now();
    expect((await api.ask('GET', `/v2.1/servers/${SERVER}`)).status).toBe(503);
    expect((await api.ask('GET', '/v2.1/servers')).status).toBe(503);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test('the conductor is told which policy refuses, so that it can answer 404 first', async () => {
    api = await startTestApi();
    await api.ask('POST', `/v2.1/servers/${SERVER}/action`, { token: 'reader', body: { reboot: { type: 'Hard' } } });
    expect(lastAsked<ActOnServer>('actOnServer')).toMatchObject({
      action: 'reboot',
      options: { type: 'HARD' },
      scope: { deniedBy: 'os_compute_api:servers:reboot', allProjects: false },
    });
  });
});

describe('tokens', () => {
  test('are checked once while they are believed, however many ask at once', async () => {
    api = await startTestApi();
    await Promise.all(Array.from({ length: 20 }, () => api.ask('GET', '/v2.1/flavors')));
    await api.ask('GET', '/v2.1/flavors');
    expect(api.outside.checks).toBe(1);
  });

  test('cannot be checked without the identity service: 503, and it recovers by itself', async () => {
    api = await startTestApi();
    api.outside.broken = 500;
    expect((await api.ask('GET', '/v2.1/flavors')).status).toBe(503);
    api.outside.broken = undefined;
    expect((await api.ask('GET', '/v2.1/flavors')).status).toBe(200);
  });
});
