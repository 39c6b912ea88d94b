import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultsOf, silentLogger, systemClock } from '@kilonova/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { authSection, type AuthConfig } from '../config.ts';
import { Identity } from './identity.ts';
import { UpstreamUnavailable } from '../upstream/json-client.ts';

const expires_at = '2999-01-01T00:00:00.000000Z';
const token = { user: { id: 'u' }, project: { id: 'p' }, roles: [{ name: 'Admin' }], expires_at };

/** Checks of the token `slow` that wait for their answer. */
const waiting: (() => void)[] = [];

/** Knows its own paths and no others, as Keystone does. */
const server = createServer((request, response) => {
  const send = (status: number, body: object) => response.writeHead(status, { 'X-Subject-Token': 'own' }).end(JSON.stringify(body));
  request.resume();
  if (request.headers['x-subject-token'] === 'slow') return void waiting.push(() => send(200, { token }));
  request.on('end', () => {
    if (request.url === '/v3') return send(200, {});
    if (request.url === '/v3/auth/tokens?nocatalog' && request.method === 'POST') return send(201, { token: { expires_at } });
    if (request.url === '/v3/auth/tokens' && request.headers['x-auth-token'] === 'own') return send(200, { token });
    return send(request.url === '/v3/projects/p' ? 200 : 404, {});
  });
});
beforeAll(() => new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle)));
afterAll(() => server.closeAllConnections());

function anIdentity(end: string, more: Partial<AuthConfig> = {}): Identity {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${end}`;
  return new Identity(defaultsOf(authSection, { url, password: 'secret', ...more }), { clock: systemClock, log: silentLogger });
}

test.each(['', '/', '/v3', '/v3/'])('an identity service whose address ends in "%s" is asked at the paths that it has', async (end) => {
  const identity = anIdentity(end);
  expect(await identity.health()).toEqual({ ok: true });
  const caller = await identity.callerOf('theirs');
  expect([caller.userId, caller.projectId, [...caller.roles]]).toEqual(['u', 'p', ['admin', 'manager', 'member', 'reader']]);
  expect([await identity.projectExists(caller, 'p'), await identity.projectExists(caller, 'q')]).toEqual([true, false]);
});

test('a check above those that may be at once is refused, and the service is no less well for it', async () => {
  const identity = anIdentity('/v3', { maxChecks: 1 });
  expect(await identity.health()).toEqual({ ok: true });
  const first = identity.callerOf('slow');
  await expect.poll(() => waiting.length).toBe(1);
  await expect(identity.callerOf('another')).rejects.toThrow(UpstreamUnavailable);
  expect(await identity.health()).toEqual({ ok: true });
  waiting[0]!();
  expect((await first).userId).toBe('u');
});
