import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { authSection } from '@kilonova/api/config';
import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { examineIdentity } from './identity.ts';

/** Answers everybody, and lets in who says `secret`. */
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (piece: Buffer) => (body += piece.toString()));
  request.on('end', () => {
    if (request.method === 'GET') return response.writeHead(200).end('{}');
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    if (!body.includes('"secret"')) return response.writeHead(401).end('{}');
    return response.writeHead(201, { 'X-Subject-Token': 'own' }).end(JSON.stringify({ token: { expires_at: expiresAt } }));
  });
});
beforeAll(() => new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle)));
afterAll(() => server.closeAllConnections());

const around = {
  ...{ clock: systemClock, random: systemRandom, log: silentLogger },
  metrics: createMetrics('doctor', { ofProcess: false }),
};
const examine = (password: string) => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v3`;
  return examineIdentity(defaultsOf(authSection, { url, password }), around);
};

test('an identity service that takes the account is well', async () => {
  expect(await examine('secret')).toMatch(/answers, and takes the account nova$/);
});

test('a wrong password is found although the identity service answers', async () => {
  await expect(examine('wrong')).rejects.toThrow("refuses this service's own account (auth.username, auth.password, auth.project_name)");
});
