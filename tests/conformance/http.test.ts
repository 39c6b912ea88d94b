import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROJECT, SERVER } from './canned-conductor.ts';
import { images, OTHER_PROJECT } from './outside-services.ts';
import { startTestApi, type TestApi } from './test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

describe('discovery needs no token', () => {
  test('the root lists the versions with their range', async () => {
    const { status, body } = await api.ask('GET', '/', { token: null });
    expect(status).toBe(200);
    expect(body.versions).toContainEqual({
      id: 'v2.1',
      status: 'CURRENT',
      version: '2.96',
      min_version: '2.1',
      updated: '2013-07-23T11:33:21Z',
      links: [{ rel: 'self', href: `${api.url}/v2.1/` }],
    });
  });

  test('the endpoint describes itself, and is redirected to with its slash', async () => {
    const redirect = await api.ask('GET', '/v2.1', { token: null });
    expect([redirect.status, redirect.headers.get('location')]).toEqual([302, `${api.url}/v2.1/`]);
    const { status, body } = await api.ask('GET', '/v2.1/', { token: null });
    expect([status, body.version.id, body.version.version, body.version.min_version]).toEqual([200, 'v2.1', '2.96', '2.1']);
  });

  test('another path offers choices', async () => {
    const { status, body } = await api.ask('GET', '/servers', { token: null });
    expect([status, body.choices.length]).toEqual([300, 2]);
  });

  test('links follow the Host header, but never a broken one', async () => {
    const answer = await raw('GET / HTTP/1.1\r\nHost: compute.example.com:8443\r\nConnection: close\r\n\r\n');
    expect(answer).toContain('"http://compute.example.com:8443/v2.1/"');
    const broken = await raw('GET / HTTP/1.1\r\nHost: evil.example.com/path"<x>\r\nConnection: close\r\n\r\n');
    expect(broken).not.toContain('evil');
  });
});

describe('the order of the checks', () => {
  const unauthorized = { error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' } };

  test.each([{ token: null }, { token: 'unknown' }, { token: '' }, { token: 'two words' }, { token: 'm\u00fcll' }])(
    'token $token is refused first, even on an unknown path',
    async ({ token }) => {
      const answer = await api.ask('GET', '/v2.1/nothing', { token, version: '99.99' });
      expect([answer.status, answer.body]).toEqual([401, unauthorized]);
      expect(answer.headers.get('www-authenticate')).toBe(`Keystone uri="${api.outside.identityUrl}"`);
    },
  );

  test.each([
    {
      title: 'an unknown path before a bad microversion',
      path: '/nothing',
      version: '99.99',
      status: 404,
      name: 'itemNotFound',
      message: 'The resource could not be found.',
    },
    {
      title: 'an unreadable microversion',
      path: '/flavors',
      version: 'two',
      status: 400,
      name: 'badRequest',
      message: 'API Version String two is of invalid format. Must be of format MajorNum.MinorNum.',
    },
    {
      title: 'a microversion beyond the last',
      path: '/flavors',
      version: '2.97',
      status: 406,
      name: 'computeFault',
      message: 'Version 2.97 is not supported by the API. Minimum is 2.1 and maximum is 2.96.',
    },
    {
      title: 'another major',
      path: '/flavors',
      version: '3.0',
      status: 406,
      name: 'computeFault',
      message: 'Version 3.0 is not supported by the API. Minimum is 2.1 and maximum is 2.96.',
    },
  ])('$title', async ({ path, version, status, name, message }) => {
    const answer = await api.ask('GET', `/v2.1${path}`, { version });
    expect([answer.status, answer.body]).toEqual([status, { [name]: { code: status, message } }]);
  });

  test('a content type that is no JSON', async () => {
    const answer = await api.ask('POST', '/v2.1/servers', { body: 'x', headers: { 'Content-Type': 'text/xml' } });
    expect([answer.status, answer.body]).toEqual([415, { badMediaType: { code: 415, message: 'Unsupported Content-Type' } }]);
  });

  test('an action is looked up before the project, the project before the range, the range before the schema', async () => {
    const path = `/v2.1/${OTHER_PROJECT}/servers/${SERVER}/action`;
    const unknown = await api.ask('POST', path, { body: { dance: {} } });
    expect(unknown.body.badRequest.message).toBe('There is no such action: dance');
    const foreign = await api.ask('POST', path, { body: { 'os-start': 'wrong' } });
    expect(foreign.body.badRequest.message).toBe(
      `Malformed request URL: URL's project_id '${OTHER_PROJECT}' doesn't match Context's project_id '${PROJECT}'`,
    );
    const early = await api.ask('PUT', '/v2.1/flavors/1', { version: 54, body: { wrong: true } });
    expect(early.status).toBe(404);
  });

  test('the schema comes before the policy', async () => {
    const answer = await api.ask('POST', '/v2.1/flavors', { token: 'member', body: { flavor: {} } });
    expect(answer.body.badRequest.message).toBe("Invalid input for field/attribute flavor. Value: {}. 'name' is a required property");
  });

  test('a project role is not enough for what administrators do, and a token without a project for nothing', async () => {
    const member = await api.ask('GET', '/v2.1/os-hypervisors', { token: 'member' });
    expect([member.status, member.body]).toEqual([
      403,
      { forbidden: { code: 403, message: "Policy doesn't allow os_compute_api:os-hypervisors:list to be performed." } },
    ]);
    expect((await api.ask('GET', '/v2.1/servers', { token: 'roleless' })).status).toBe(403);
    expect((await api.ask('GET', '/v2.1/os-hypervisors', { token: 'system' })).status).toBe(403);
    expect(
      (
        await api.ask('POST', '/v2.1/servers', {
          token: 'reader',
          body: { server: { name: 'x', imageRef: images.active, flavorRef: '1' } },
        })
      ).status,
    ).toBe(403);
  });
});

describe('headers', () => {
  test('every answer names its request, and the version where it is known', async () => {
    const { headers } = await api.ask('GET', '/v2.1/servers/nothing', { version: 'latest' });
    expect(headers.get('x-openstack-request-id')).toMatch(/^req-[0-9a-f-]{36}$/);
    expect(headers.get('x-compute-request-id')).toBe(headers.get('x-openstack-request-id'));
    expect([headers.get('openstack-api-version'), headers.get('vary')]).toEqual([
      'compute 2.96',
      'OpenStack-API-Version, X-OpenStack-Nova-API-Version',
    ]);
  });

  test('the older header counts when the newer one is not there', async () => {
    const older = { 'X-OpenStack-Nova-API-Version': '2.12' };
    expect((await api.ask('GET', '/v2.1/flavors', { headers: older })).headers.get('x-openstack-nova-api-version')).toBe('2.12');
    const both = { ...older, 'OpenStack-API-Version': 'identity 3.1, compute 2.13' };
    expect((await api.ask('GET', '/v2.1/flavors', { headers: both })).headers.get('x-openstack-nova-api-version')).toBe('2.13');
  });

  test('the old endpoint knows no microversions and drops unknown keys', async () => {
    const answer = await api.ask('POST', '/v2/flavors', {
      version: 96,
      body: { flavor: { name: 'a', ram: 1, vcpus: 1, disk: 1, nonsense: true } },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('openstack-api-version')).toBeNull();
    expect(
      (await api.ask('POST', '/v2.1/flavors', { body: { flavor: { name: 'a', ram: 1, vcpus: 1, disk: 1, nonsense: true } } })).status,
    ).toBe(400);
  });
});

describe('bad input', () => {
  const server = { name: 'x', imageRef: images.active, flavorRef: '1' };

  test.each([
    { title: 'half a document', body: '{"server": ', message: 'Malformed request body' },
    { title: 'an empty action', body: '', message: 'Malformed request body', path: `/servers/${SERVER}/action` },
    {
      title: 'two actions at once',
      body: { 'os-start': null, 'os-stop': null },
      message: 'Malformed request body',
      path: `/servers/${SERVER}/action`,
    },
    { title: 'no body', body: '', message: "None is not of type 'object'" },
    { title: 'a list for an object', body: [], message: "[] is not of type 'object'" },
    {
      title: 'an unknown key',
      body: { server: { ...server, colour: 'blue' } },
      message: `Invalid input for field/attribute server. Value: {'name': 'x', 'imageRef': '${images.active}', 'flavorRef': '1', 'colour': 'blue'}. Additional properties are not allowed ('colour' was unexpected)`,
    },
    {
      title: 'a wrong type',
      body: { server: { ...server, name: 7 } },
      message: "Invalid input for field/attribute name. Value: 7. 7 is not of type 'string'",
    },
    {
      title: 'a name of spaces',
      body: { server: { ...server, name: ' x' } },
      message: "An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace.",
    },
    {
      title: 'a NUL character',
      body: '{"server": {"name": "a\\u0000b"}}',
      message: 'Malformed request body: texts must be Unicode without NUL characters',
    },
    {
      title: 'half a surrogate pair',
      body: '{"server": {"name": "a\\ud800b"}}',
      message: 'Malformed request body: texts must be Unicode without NUL characters',
    },
    {
      title: 'a count below one',
      body: { server: { ...server, min_count: 0 } },
      message: 'Invalid input for field/attribute min_count. Value: 0. 0 is less than the minimum of 1',
    },
    {
      title: 'more at least than at most',
      body: { server: { ...server, min_count: 3, max_count: 2 } },
      message: 'min_count must be <= max_count',
    },
    { title: 'an image that is not there', body: { server: { ...server, imageRef: SERVER } }, message: 'Can not find requested image' },
    {
      title: 'an image that is not ready',
      body: { server: { ...server, imageRef: images.queued } },
      message: `Image ${images.queued} is not active.`,
    },
    {
      title: 'a network where there are none',
      body: { server: { ...server, networks: [{ uuid: SERVER }] } },
      message: `Network ${SERVER} could not be found.`,
    },
  ])('$title is answered with 400', async ({ body, message, path = '/servers' }) => {
    const answer = await api.ask('POST', `/v2.1${path}`, { body });
    expect([answer.status, answer.body]).toEqual([400, { badRequest: { code: 400, message } }]);
  });

  test('broken UTF-8 in a body, NUL and broken escapes in a path are answered with 400', async () => {
    const head = 'Host: x\r\nX-Auth-Token: admin\r\nConnection: close\r\n';
    expect(
      await raw(
        Buffer.concat([
          Buffer.from(`POST /v2.1/servers HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 3\r\n\r\n`),
          Buffer.from([0x22, 0xff, 0x22]),
        ]),
      ),
    ).toMatch(/^HTTP\/1\.1 400 /);
    for (const path of ['/flavors/a%00b', '/flavors/%ff', '/flavors?name=%00', '/flavors/%'])
      expect(await raw(`GET /v2.1${path} HTTP/1.1\r\n${head}\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('a huge body is answered with 413, announced or not', async () => {
    const announced = await api.ask('POST', '/v2.1/servers', { body: 'x'.repeat(114_689) });
    expect([announced.status, announced.body.overLimit.code]).toEqual([413, 413]);
    const chunk = `${(16_384).toString(16)}\r\n${'x'.repeat(16_384)}\r\n`;
    const head = 'POST /v2.1/servers HTTP/1.1\r\nHost: x\r\nX-Auth-Token: member\r\nTransfer-Encoding: chunked\r\n\r\n';
    const streamed = await raw(`${head}${chunk.repeat(8)}0\r\n\r\n`);
    expect(streamed).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('nothing of this reached the conductor', () => {
    expect(api.asked.filter(({ method }) => method === 'createServers')).toEqual([]);
  });
});

/** Bytes as they are, for what fetch would not send. */
function raw(bytes: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(api.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    let text = '';
    socket.on('data', (piece) => (text += piece.toString('utf8')));
    socket.on('error', (error) => (text === '' ? reject(error) : resolve(text)));
    socket.on('close', () => resolve(text));
  });
}
