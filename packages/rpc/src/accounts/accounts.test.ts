import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installedRabbitmq, PrivateBroker } from '../../../../tests/support/services/private-broker.ts';
import { runCommand } from '../command.ts';
import { call, connectAmqp, createClient, defineContract, Empty, NotAuthorized, serve, serveSteward, type Transport } from '../index.ts';

const secret = () => randomBytes(12).toString('hex');
const passwords = { CONDUCTOR_PASSWORD: secret(), HOST_PASSWORD: secret() };
const dir = mkdtempSync(join(tmpdir(), 'kilonova-rpc-accounts-'));
const file = join(dir, 'accounts.json');
const keep = (accounts: unknown) => writeFileSync(file, typeof accounts === 'string' ? accounts : JSON.stringify(accounts));

const accounts = {
  namespace: 'apart',
  trusted: [
    { user: 'conductor', passwordEnv: 'CONDUCTOR_PASSWORD' },
    { user: 'by-certificate', certificate: true },
  ],
  hosts: [{ user: 'compute.host-1', passwordFile: join(dir, 'host-1'), topic: 'compute', server: 'host-1', talksTo: ['conductor'] }],
};

async function command(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const said: string[] = [];
  const complained: string[] = [];
  const output = { say: (line: string) => void said.push(line), complain: (line: string) => void complained.push(line) };
  const code = await runCommand(['accounts', ...args, '--file', file], { ...passwords, ...env }, output);
  return { code, said: said.join('\n'), complained: complained.join('\n') };
}

beforeAll(() => {
  writeFileSync(join(dir, 'host-1'), `${passwords.HOST_PASSWORD}\n`);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('what is printed has accounts, permissions and salted hashes, and no password', async () => {
  keep(accounts);
  const { code, said } = await command(['print']);
  expect(code).toBe(0);
  const definitions = JSON.parse(said) as {
    users: { name: string; password_hash: string }[];
    permissions: { user: string; configure: string }[];
  };
  expect(definitions.users.map(({ name }) => name)).toEqual(['conductor', 'by-certificate', 'compute.host-1']);
  expect(definitions.users.map(({ password_hash: hash }) => hash !== '')).toEqual([true, false, true]);
  expect(definitions.permissions.find(({ user }) => user === 'compute.host-1')?.configure).toBe('^$');
  for (const password of Object.values(passwords)) expect(said).not.toContain(password);
});

test.each([
  { title: 'no JSON', content: '{', expected: /accounts\.json: expected JSON/ },
  { title: 'a list', content: [], expected: /accounts\.json: expected an object, found a list/ },
  {
    title: 'an unknown word',
    content: { trustde: [] },
    expected: /accounts\.json: expected namespace, vhost, trusted, hosts, found trustde/,
  },
  {
    title: 'an account without a password',
    content: { trusted: [{ user: 'a' }] },
    expected: /trusted\[0\]: expected one of .*, found none/,
  },
  {
    title: 'a password in the file itself',
    content: { trusted: [{ user: 'a', password: 'told' }] },
    expected: /trusted\[0\]: expected user, passwordEnv, passwordFile, certificate, found password/,
  },
  {
    title: 'a variable that is not set',
    content: { trusted: [{ user: 'a', passwordEnv: 'NOT_SET' }] },
    expected: /trusted\[0\]\.passwordEnv: expected a password in NOT_SET, found nothing/,
  },
  {
    title: 'a host without a server',
    content: { hosts: [{ user: 'a', certificate: true, topic: 'compute' }] },
    expected: /hosts\[0\]\.server: expected a text, found nothing/,
  },
])('a file with $title is refused, saying where and what was expected', async ({ content, expected }) => {
  keep(content);
  const { code, complained } = await command(['print']);
  expect(code).toBe(2);
  expect(complained).toMatch(expected);
  expect(complained).not.toContain('told');
});

describe.skipIf(installedRabbitmq() === undefined)('with a RabbitMQ of its own (skipped where none is installed)', () => {
  let broker: PrivateBroker;
  let management: URL;
  const opened: Transport[] = [];

  beforeAll(async () => {
    broker = await PrivateBroker.start(join(dir, 'broker'), {
      plugins: ['rabbitmq_management'],
      config: (port) => ['management.tcp.ip = 127.0.0.1', `management.tcp.port = ${port + 3}`],
    });
    management = new URL(`http://guest:guest@127.0.0.1:${broker.tlsPort}/`);
  }, 120_000);
  afterAll(async () => {
    for (const transport of opened.toReversed()) await transport.close();
    await broker?.stop();
  }, 60_000);

  async function connect(user: string, password: string, who: { service: string; id: string; steward: boolean }): Promise<Transport> {
    const transport = await connectAmqp({
      url: broker.url,
      credentials: { user, password },
      namespace: 'apart',
      queues: 'classic',
      ...who,
    });
    opened.push(transport);
    return transport;
  }

  test('applied accounts may do what they are for, and nothing else', async () => {
    keep(accounts);
    const { code, said } = await command(['apply'], { RABBITMQ_MANAGEMENT_URL: management.href });
    expect(code).toBe(0);
    expect(said).toContain('3 accounts applied');
    expect(said).not.toContain('guest');

    const look = call({ since: '1.0', request: Empty, response: Empty });
    const compute = defineContract({ topic: 'compute', version: '1.0', exchange: 'to-hosts', methods: { look } });
    const reports = defineContract({ topic: 'conductor', version: '1.0', exchange: 'from-hosts', methods: { look } });
    const internal = defineContract({ topic: 'conductor', version: '1.0', methods: { look } });
    const conductor = await connect('conductor', passwords.CONDUCTOR_PASSWORD, { service: 'conductor', id: '1', steward: false });
    const grants = { allow: (user: string) => (user === 'compute.host-1' ? [{ topic: 'compute', server: 'host-1' }] : []) };
    const steward = await serveSteward(conductor, grants);
    const agent = await connect('compute.host-1', passwords.HOST_PASSWORD, { service: 'compute', id: 'host-1', steward: true });
    await serve(agent, compute, { look: () => new Empty() }, { server: 'host-1' });
    const callers: string[] = [];
    const server = await serve(conductor, reports, { look: (context) => (callers.push(context.caller), new Empty()) });

    await createClient(conductor, compute).at('host-1').look(new Empty());
    await createClient(agent, reports).look(new Empty());
    expect(callers).toEqual(['compute.host-1']);
    await expect(createClient(agent, internal).look(new Empty())).rejects.toBeInstanceOf(NotAuthorized);
    await expect(connect('conductor', 'wrong', { service: 'conductor', id: '2', steward: false })).rejects.toBeInstanceOf(NotAuthorized);
    await expect(connect('by-certificate', '', { service: 'conductor', id: '3', steward: false })).rejects.toBeInstanceOf(NotAuthorized);
    await server.stop();
    await steward.stop();
  });

  test('what is printed can be imported by rabbitmqctl', async () => {
    keep({ trusted: [{ user: 'imported', passwordEnv: 'CONDUCTOR_PASSWORD' }] });
    await broker.ctl(['import_definitions'], (await command(['print'])).said);
    expect(await broker.ctl(['list_users'])).toContain('imported');
  });

  test('a management API that refuses, or is not there, is said without its password', async () => {
    keep(accounts);
    management.password = 'not the password';
    const refused = await command(['apply'], { RABBITMQ_MANAGEMENT_URL: management.href });
    expect(refused.code).toBe(1);
    expect(refused.complained).toMatch(/refused the accounts with 401/);
    const absent = await command(['apply'], { RABBITMQ_MANAGEMENT_URL: 'http://admin:secret@127.0.0.1:1' });
    expect(absent.code).toBe(1);
    expect(absent.complained).toContain('could not be asked');
    expect(`${refused.complained}${absent.complained}`).not.toMatch(/not(%20| )the(%20| )password|secret/);
  });
});
