import { brokerDefinitions } from '@kilonova/rpc';
import { createMetrics, silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshVirtualHost, importDefinitions, type VirtualHost } from '../../../../tests/support/broker.ts';
import { loadSections } from '../config/sections.ts';
import { examinations } from './examinations.ts';

let broker: VirtualHost;
beforeAll(async () => {
  broker = await freshVirtualHost();
  const host = { user: 'compute.doctored', password: 'right', topic: 'compute', server: 'doctored', talksTo: ['host-reports'] };
  await importDefinitions(brokerDefinitions({ vhost: broker.name, trusted: [], hosts: [host] }));
});
afterAll(() => broker.remove());

const around = { clock: systemClock, random: systemRandom, log: silentLogger };
/** As a compute host has it: no database, no service account, and a sign of life that its conductors are configured for. */
const examined = (password: string) => {
  const config = loadSections({
    flags: {
      ...{ 'broker.urls': [broker.url], 'broker.accounts': 'separate', 'broker.host_passwords': { doctored: password } },
      ...{ 'compute.heartbeat_ms': 60_000, 'broker.start_wait_ms': 2_000 },
    },
  });
  const metrics = createMetrics('doctor', { ofProcess: false });
  return examinations(config, { role: 'compute', host: 'doctored' }, { ...around, metrics });
};

test('a compute host is well without what it must not have, also before its queues are declared', async () => {
  expect(await examined('right')).toEqual([
    { what: 'configuration', ok: true, says: 'every key is known and every value fits' },
    { what: 'broker', ok: true, says: 'answers, and takes the account compute.doctored' },
  ]);
});

test.each([
  { title: 'a wrong password', password: 'wrong', says: 'ACCESS_REFUSED - Login was refused' },
  { title: 'a missing password', password: '', says: 'broker.host_passwords of doctored is missing' },
])('$title of its account is found', async ({ password, says }) => {
  expect((await examined(password))[1]).toMatchObject({ what: 'broker', ok: false, says: expect.stringContaining(says) });
});
