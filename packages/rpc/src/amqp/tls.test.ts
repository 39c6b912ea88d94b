// A broker of its own with a TLS listener, since certificates are settings of a whole broker.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority, opensslInstalled, type Certificate } from '../../../../tests/support/certificates.ts';
import { installedRabbitmq, PrivateBroker } from '../../../../tests/support/services/private-broker.ts';
import {
  connectAmqp,
  createClient,
  Empty,
  serve,
  tlsFiles,
  type AmqpOptions,
  type BrokerLogin,
  type BrokerTls,
  type Transport,
} from '../index.ts';
import { runCommand } from '../command.ts';
import { eventually } from '../testing/bench.ts';
import { echoContract, echoHandlers } from '../testing/echo.ts';

const contract = echoContract('secured');
const PASSWORD = 'a word that must not be told';

describe.skipIf(installedRabbitmq() === undefined || !opensslInstalled())(
  'with a RabbitMQ that wants client certificates (skipped where RabbitMQ or openssl is not installed)',
  () => {
    let broker: PrivateBroker;
    let dir = '';
    let authority: CertificateAuthority;
    let stranger: CertificateAuthority;
    let client: Certificate;
    const open: Transport[] = [];
    const logged: string[] = [];

    beforeAll(async () => {
      dir = mkdtempSync(join(tmpdir(), 'kilonova-rpc-tls-'));
      authority = await CertificateAuthority.open(join(dir, 'own'), 'authority');
      stranger = await CertificateAuthority.open(join(dir, 'strange'), 'stranger');
      const server = await authority.issue('broker', ['DNS:localhost', 'IP:127.0.0.1']);
      client = await authority.issue('conductor');
      broker = await PrivateBroker.start(join(dir, 'broker'), {
        plugins: ['rabbitmq_auth_mechanism_ssl'],
        config: (port) => [
          `listeners.ssl.1 = 127.0.0.1:${port + 3}`,
          `ssl_options.cacertfile = ${authority.own.certFile}`,
          `ssl_options.certfile = ${server.certFile}`,
          `ssl_options.keyfile = ${server.keyFile}`,
          'ssl_options.verify = verify_peer',
          'ssl_options.fail_if_no_peer_cert = true',
          'ssl_cert_login_from = common_name',
          'auth_mechanisms.1 = PLAIN',
          'auth_mechanisms.2 = EXTERNAL',
        ],
      });
      await broker.ctl(['add_user', 'conductor'], `${PASSWORD}\n`);
      await broker.ctl(['set_permissions', 'conductor', '.*', '.*', '.*']);
    }, 120_000);
    afterEach(async () => {
      for (const transport of open.splice(0)) await transport.close();
    });
    afterAll(async () => {
      await broker?.stop();
      rmSync(dir, { recursive: true, force: true });
    });

    const ours = (): BrokerTls => ({ ca: authority.own.cert, cert: client.cert, key: client.key });
    const withPassword: BrokerLogin = { user: 'conductor', password: PASSWORD };
    const note = (fields: object, event: string) => void logged.push(`${event} ${JSON.stringify(fields)}`);
    async function connect(service: string, options: Partial<AmqpOptions>): Promise<Transport> {
      const transport = await connectAmqp({
        url: `amqps://127.0.0.1:${broker.tlsPort}`,
        service,
        id: '1',
        queues: 'classic',
        retryBaseMs: 10,
        retryCapMs: 100,
        startWaitMs: 10_000,
        log: { debug: note, info: note, warn: note, error: note },
        ...options,
      });
      open.push(transport);
      return transport;
    }
    const failure = (options: Partial<AmqpOptions>) =>
      connect('refused', options).then(
        () => new Error('it connected'),
        (error: unknown) => error as Error,
      );

    test.each([
      { title: 'its password', credentials: withPassword },
      { title: 'its certificate alone', credentials: { user: 'conductor', certificate: true } as const },
    ])('a process that shows a certificate and is known by $title calls and serves', async ({ credentials }) => {
      const far = await connect('far', { credentials, tls: ours() });
      const near = await connect('near', { credentials, tls: ours() });
      await serve(far, contract, echoHandlers(new Set(), {}));
      expect((await createClient(near, contract).look(new Empty())).caller).toBe('conductor');
    });

    test('a broker whose certificate is of another authority, or for another name, is refused and named as such', async () => {
      const foreign = await failure({ credentials: withPassword, tls: { ...ours(), ca: stranger.own.cert } });
      expect(foreign).toMatchObject({ code: 'NotAuthorized' });
      expect(foreign.message).toMatch(/the broker's certificate is not accepted .*see tls\.ca/);
      const misnamed = await failure({ credentials: withPassword, tls: { ...ours(), serverName: 'elsewhere.example' } });
      expect(misnamed).toMatchObject({ code: 'NotAuthorized' });
      expect(misnamed.message).toContain('elsewhere.example');
    });

    test('without a certificate, or with one of another authority, the broker refuses us and we say so', async () => {
      for (const tls of [{ ca: authority.own.cert }, { ...ours(), ...(await stranger.issue('conductor')) }]) {
        const error = await failure({ credentials: withPassword, tls });
        expect(error).toMatchObject({ code: 'NotAuthorized' });
        expect(error.message).toMatch(/the broker refuses our certificate .*see tls\.cert/);
      }
    });

    test('what cannot be a key, a login or a TLS address is said before or at the first attempt', async () => {
      expect(await failure({ credentials: withPassword, tls: { ...ours(), key: 'no key' } })).toMatchObject({
        code: 'NotAuthorized',
        message: expect.stringContaining('tls.ca, cert, key and passphrase cannot be used'),
      });
      expect(await failure({ credentials: { user: 'conductor', certificate: true }, tls: { ca: authority.own.cert } })).toMatchObject({
        code: 'NotAuthorized',
        message: expect.stringContaining('expected tls with cert and key'),
      });
      expect(await failure({ url: broker.url, tls: ours() })).toBeInstanceOf(TypeError);
    });

    test('certificates come from files, also for the command line, and an absent file is said by its name', async () => {
      const files = { caFile: authority.own.certFile, certFile: client.certFile, keyFile: client.keyFile };
      const far = await connect('far', { credentials: withPassword, tls: tlsFiles(files), namespace: 'filed' });
      await far.sendConfirmed({ exchange: 'dead', key: 'secured', body: Buffer.from('put aside'), mandatory: false });
      const absent = await failure({
        credentials: withPassword,
        tls: tlsFiles({ ...files, keyFile: join(dir, 'absent.key') }),
        startWaitMs: 500,
      });
      expect(absent.message).toMatch(/tls could not be had: .*absent\.key/);
      const url = new URL(`amqps://127.0.0.1:${broker.tlsPort}`);
      Object.assign(url, { username: 'conductor', password: PASSWORD });
      const said: string[] = [];
      const output = { say: (line: string) => void said.push(line), complain: (line: string) => void said.push(line) };
      const args = ['dead-letters', 'list', '--namespace', 'filed'];
      const secured = ['--ca', files.caFile, '--cert', files.certFile, '--key', files.keyFile];
      expect(await runCommand([...args, ...secured], { AMQP_URL: url.href }, output)).toBe(0);
      expect(said).toHaveLength(1);
      expect(await runCommand(args, { AMQP_URL: url.href }, output)).toBe(1);
      expect(await runCommand([...args, ...secured], { AMQP_URL: broker.url }, output)).toBe(2);
      expect(said.join('\n')).not.toMatch(/must not be told/);
    });

    test('a password that was changed is asked for again at the next connection, and nothing tells it', async () => {
      let password = PASSWORD;
      const asked: string[] = [];
      const credentials = async () => {
        asked.push(password);
        return { user: 'conductor', password };
      };
      const far = await connect('far', { credentials, tls: () => ours() });
      const near = await connect('near', { credentials, tls: () => ours() });
      await serve(far, contract, echoHandlers(new Set(), {}));
      const changed = 'another word that must not be told';
      await broker.ctl(['change_password', 'conductor'], `${changed}\n`);
      logged.length = 0;
      const changes: boolean[] = [];
      near.onChange((connected) => changes.push(connected));
      await broker.ctl(['close_all_connections', 'rotated']);
      await eventually(() => logged.some((line) => line.includes('ACCESS_REFUSED') || line.includes('403')), 10_000); // still the old one
      expect(near.connected).toBe(false);
      password = changed;
      await eventually(() => near.connected && far.connected, 10_000);
      expect((await createClient(near, contract).look(new Empty())).caller).toBe('conductor');
      expect(changes).toEqual([false, true]);
      expect(asked).toContain(changed);
      expect(logged.join('\n')).not.toMatch(/must not be told/);
    });
  },
);
