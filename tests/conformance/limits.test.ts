import { failure } from '@kilonova/objects';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { brokenServer, PROJECT, server, SERVER } from './canned-conductor.ts';
import { images } from './outside-services.ts';
import { startTestApi, type TestApi } from './test-api.ts';

let api: TestApi;
afterEach(() => api.stop());

/** Opens a connection, sends what is given and nothing more; settles with the answer when the other side has closed. */
function sendAndWait(text: string): Promise<string> {
  const { hostname, port } = new URL(api.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let answer = '';
    socket.on('data', (piece) => (answer += piece.toString('utf8')));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

/** A promise and its end, to hold an answer back until a test says so. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

test('a client that never ends its headers or its body is cut off with 408', async () => {
  api = await startTestApi({}, { headersTimeoutMs: 300, bodyTimeoutMs: 600 });
  expect(await sendAndWait('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ')).toMatch(/^HTTP\/1\.1 408 /);
  const unfinished = 'POST /v2.1/servers HTTP/1.1\r\nHost: x\r\nX-Auth-Token: member\r\nContent-Length: 10\r\n\r\n{';
  expect(await sendAndWait(unfinished)).toMatch(/^HTTP\/1\.1 408 /);
});

test('a client without a token is refused before its body has come, and keeps no place from others', async () => {
  api = await startTestApi({}, { maxRequests: 1, bodyTimeoutMs: 20_000 });
  const { hostname, port } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  try {
    const answer = new Promise<string>((resolve) => socket.once('data', (piece) => resolve(piece.toString('utf8'))));
    socket.write('POST /v2.1/servers HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{');
    expect(await answer).toMatch(/^HTTP\/1\.1 401 /);
    expect((await api.ask('GET', '/v2.1/servers')).status).toBe(200);
  } finally {
    socket.destroy();
  }
});

test('headers above the limit are answered with 431, a long URL with 414', async () => {
  api = await startTestApi({}, { maxHeaderBytes: 8_192, maxUrlBytes: 1_024 });
  expect(await sendAndWait(`GET / HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(10_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
  expect((await api.ask('GET', `/v2.1/servers?name=${'x'.repeat(2_000)}`)).status).toBe(414);
});

test('more requests than may be in work are answered with 503 at once, and those in work are not disturbed', async () => {
  const held = gate();
  api = await startTestApi({ getServer: async () => (await held.opened, server) }, { maxRequests: 1 });
  const first = api.ask('GET', `/v2.1/servers/${SERVER}`);
  await expect.poll(() => api.asked.length).toBe(1);
  const second = await api.ask('GET', '/v2.1/flavors');
  expect([second.status, second.headers.get('retry-after')]).toEqual([503, '2']);
  held.open();
  expect((await first).status).toBe(200);
});

test('an answer that takes too long becomes 503', async () => {
  const held = gate();
  api = await startTestApi({ getServer: async () => (await held.opened, server) }, { rpcTimeoutMs: 200 });
  expect((await api.ask('GET', `/v2.1/servers/${SERVER}`)).status).toBe(503);
  held.open();
});

test('a request in work finishes when the service stops', async () => {
  const held = gate();
  api = await startTestApi({ getServer: async () => (await held.opened, server) });
  const asked = api.ask('GET', `/v2.1/servers/${SERVER}`);
  await expect.poll(() => api.asked.length).toBe(1);
  const stopped = api.stopApi();
  held.open();
  const answer = await asked;
  await stopped;
  expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
});

test('a list is refused rather than cut when the conductor sends more than was asked for', async () => {
  api = await startTestApi();
  expect((await api.ask('GET', '/v2.1/servers/detail?limit=1')).status).toBe(503);
});

test('a failure in the middle of a list is an error, not half a list', async () => {
  api = await startTestApi({
    async *listServers() {
      yield [server, brokenServer];
      throw failure('DatabaseUnavailable', 'gone');
    },
  });
  expect((await api.ask('GET', '/v2.1/servers/detail')).status).toBe(503);
});

test('an image service that does not answer makes creates fail with 503, and nothing else', async () => {
  api = await startTestApi();
  await api.outside.stopImages();
  const created = await api.ask('POST', '/v2.1/servers', { body: { server: { name: 'x', imageRef: images.active, flavorRef: '1' } } });
  expect([created.status, api.asked.length]).toEqual([503, 0]);
  expect((await api.ask('GET', '/v2.1/servers')).status).toBe(200);
});

test('without the broker requests are answered with 503 in bounded time, health says so, and all is well when it returns', async () => {
  api = await startTestApi();
  expect(await api.health()).toEqual({ ok: true, checks: { broker: { ok: true }, identity: { ok: true } } });
  api.cutBroker();
  expect(await api.health()).toMatchObject({ ok: false, checks: { broker: { ok: false } } });
  const started = performance.now();
  const answers = await Promise.all(Array.from({ length: 10 }, () => api.ask('GET', `/v2.1/servers/${SERVER}`)));
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 503));
  expect(performance.now() - started).toBeLessThan(5_000);
  api.restoreBroker();
  await expect.poll(async () => (await api.ask('GET', `/v2.1/servers/${SERVER}`)).status, { timeout: 10_000 }).toBe(200);
  expect((await api.health()).ok).toBe(true);
});

test("an identity service that refuses the service's own account makes it unwell, and says which options are wrong", async () => {
  api = await startTestApi();
  api.outside.refusing = true;
  expect((await api.ask('GET', '/v2.1/servers')).status).toBe(503);
  expect(await api.health()).toMatchObject({
    ok: false,
    checks: { identity: { ok: false, reason: expect.stringContaining('auth.password') } },
  });
  api.outside.refusing = false;
  expect((await api.health()).ok).toBe(true);
});

describe('trouble in the identity service makes no good token a bad one', () => {
  const ask = (token = 'member') => api.ask('GET', '/v2.1/servers', { token });

  test.each([400, 403, 408, 429, 500, 503])('a check that it answers with %d is a 503 that says when to come again', async (status) => {
    api = await startTestApi();
    api.outside.checkStatus = status;
    const answer = await ask();
    expect([answer.status, answer.headers.get('retry-after'), answer.body.serviceUnavailable.code]).toEqual([503, '2', 503]);
    api.outside.checkStatus = undefined;
    expect((await ask()).status).toBe(200);
  });

  test('a token that it does not know is a 401', async () => {
    api = await startTestApi();
    api.outside.checkStatus = 404;
    const answer = await ask();
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, `Keystone uri="${api.outside.identityUrl}"`]);
  });

  const expires_at = '2999-01-01T00:00:00.000000Z';
  test.each([
    { title: 'no user', token: { expires_at } },
    { title: 'no end', token: { user: { id: 'u' } } },
    { title: 'a number', token: 7 },
    { title: 'an end that is no text', token: { user: { id: 'u' }, expires_at: {} } },
  ])('a token with $title is a 503', async ({ token }) => {
    api = await startTestApi();
    api.outside.token = token;
    expect((await ask()).status).toBe(503);
  });

  test.each([
    { title: 'roles that are no list', more: { roles: { name: 'reader' } } },
    { title: 'a role that is nothing', more: { roles: [null] } },
    { title: 'a catalog that is no list', more: { catalog: { image: {} } } },
    { title: 'a service that is nothing', more: { catalog: [null] } },
  ])('a token with $title gives no role, and ends no request with 500', async ({ more }) => {
    api = await startTestApi();
    api.outside.token = { user: { id: 'u' }, project: { id: PROJECT }, expires_at, ...more };
    expect((await ask()).status).toBe(403);
  });

  test('a login that it forgot is made again once, however many ask', async () => {
    api = await startTestApi();
    expect((await ask('admin')).status).toBe(200);
    expect(api.outside.logins).toBe(1);
    api.outside.forgetLogins();
    const answers = await Promise.all(['member', 'reader', 'stranger', 'system'].map((token) => ask(token)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 403]);
    expect(api.outside.logins).toBe(2);
  });
});

test('a token that the image service does not take is a bad request, and not a service that does not answer', async () => {
  api = await startTestApi();
  api.outside.imageStatus = 401;
  const answer = await api.ask('POST', '/v2.1/servers', { body: { server: { name: 'x', imageRef: images.active, flavorRef: '1' } } });
  expect([answer.status, answer.body.badRequest?.message, api.asked.length]).toEqual([
    400,
    `Not authorized for image ${images.active}.`,
    0,
  ]);
});

test('a project that the identity service does not know gets no quota and no flavor', async () => {
  api = await startTestApi();
  const quota = await api.ask('GET', '/v2.1/os-quota-sets/nobody');
  expect([quota.status, quota.body.badRequest.message]).toEqual([400, 'Project ID nobody is not a valid project.']);
  const access = await api.ask('POST', '/v2.1/flavors/10/action', { body: { addTenantAccess: { tenant: 'nobody' } } });
  expect([access.status, api.asked.length]).toEqual([400, 0]);
  const climbing = await api.ask('POST', '/v2.1/flavors/10/action', { body: { addTenantAccess: { tenant: '..' } } });
  expect([climbing.status, api.asked.length]).toEqual([400, 0]);
});
