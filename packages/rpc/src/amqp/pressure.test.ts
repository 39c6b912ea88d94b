import { afterEach, expect, test } from 'vitest';
import { startTcpProxy, type TcpProxy } from '../../../../tests/support/tcp-proxy.ts';
import { Busy, connectAmqp, createClient, serve, type AmqpOptions, type Transport } from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { echoContract, echoHandlers, text } from '../testing/echo.ts';
import { testBroker } from '../testing/proxy.ts';

const contract = echoContract('pressure');
const MIB = 1_048_576;
const MESSAGE = 200_000;
let runs = 0;
const opened: Transport[] = [];
let proxy: TcpProxy | undefined;

afterEach(async () => {
  proxy?.mend();
  for (const transport of opened.splice(0)) await transport.close();
  await proxy?.stop();
});

async function connect(service: string, url: string, options: Partial<AmqpOptions> = {}): Promise<Transport> {
  const namespace = `pressure-${process.pid}-${runs}`;
  const transport = await connectAmqp({ url, service, id: '1', namespace, queues: 'classic', retryCapMs: 100, ...options });
  opened.push(transport);
  return transport;
}

test('when the socket takes nothing, messages wait in bounded number and time; afterwards work goes on', { timeout: 60_000 }, async () => {
  runs++;
  proxy = await startTcpProxy(testBroker());
  const limits = { maxPendingBytes: 2 * MIB, maxHeldBytes: 64 * MIB, connectWaitMs: 300, confirmWaitMs: 60_000 };
  const near = await connect('near', proxy.through(testBroker()), limits);
  const far = await connect('far', testBroker());
  await serve(far, contract, echoHandlers(new Set(), { echo: () => text('!') }));
  const client = createClient(near, contract);
  await client.echo(text('warm'));
  proxy.fail('hold');

  const outcomes: string[] = [];
  const before = process.memoryUsage().arrayBuffers;
  const calls: Promise<void>[] = [];
  // The kernel's own buffers take some megabytes first.
  for (let sent = 0; near.blocked === undefined && sent < 300; sent++) {
    const call = client.echo(text('x'.repeat(MESSAGE)), { timeoutMs: 50_000 });
    calls.push(
      call.then(
        () => void outcomes.push('answered'),
        (error: Error & { code: string }) => void outcomes.push(error.code),
      ),
    );
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(near.blocked).toMatch(/wait for the socket, the limit \(maxPendingBytes\)/);
  const more = Array.from({ length: 20 }, () => client.echo(text('x'.repeat(MESSAGE))).catch((error: unknown) => error));
  await expect(client.note(text('?'))).rejects.toBeInstanceOf(Busy);
  for (const one of await Promise.all(more)) expect(one).toBeInstanceOf(Busy);
  // What was written is held once by the socket and once by the calls that may be sent again.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * MIB);

  proxy.mend();
  await Promise.all(calls);
  expect(new Set(outcomes)).toEqual(new Set(['answered']));
  await eventually(() => near.blocked === undefined);
  await client.note(text('!'));
});

test('a burst of one turn above the limit waits for the socket and all of it is answered', async () => {
  runs++;
  const near = await connect('near', testBroker(), { maxPendingBytes: MIB, connectWaitMs: 20_000 });
  const far = await connect('far', testBroker());
  await serve(far, contract, echoHandlers(new Set(), { echo: () => text('!') }));
  const client = createClient(near, contract);
  const burst = Array.from({ length: 40 }, () => client.echo(text('x'.repeat(MESSAGE)), { timeoutMs: 25_000 }));
  expect(near.blocked).toBeDefined();
  expect(await Promise.all(burst)).toHaveLength(40);
});

test('what waits for a socket that takes nothing goes on with the next connection', { timeout: 60_000 }, async () => {
  runs++;
  proxy = await startTcpProxy(testBroker());
  const limits = { maxPendingBytes: MIB, connectWaitMs: 50_000, confirmWaitMs: 50_000 };
  const near = await connect('near', proxy.through(testBroker()), limits);
  const far = await connect('far', testBroker());
  await serve(far, contract, echoHandlers(new Set(), {}));
  const client = createClient(near, contract);
  await client.note(text('warm'));
  proxy.fail('hold');
  const sent: Promise<unknown>[] = [];
  for (let count = 0; near.blocked === undefined && count < 300; count++) {
    sent.push(client.note(text('x'.repeat(MESSAGE))).catch(() => undefined)); // on its way when the connection breaks: nobody knows
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(near.blocked).toBeDefined();
  const waiting = client.note(text('!')).then(() => 'confirmed');
  proxy.fail('cut');
  proxy.mend();
  const late = new Promise((resolve) => setTimeout(resolve, 20_000, 'still waiting').unref());
  expect(await Promise.race([waiting, late])).toBe('confirmed');
  await Promise.all(sent);
});
