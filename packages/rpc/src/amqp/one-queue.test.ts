import { connect } from 'amqplib';
import { expect, onTestFinished, test } from 'vitest';
import { call, connectAmqp, createClient, defineContract, Empty, serve } from '../index.ts';
import { count, Count, Text, text } from '../testing/echo.ts';
import { testBroker } from '../testing/proxy.ts';

const headOffice = defineContract({
  topic: 'office',
  version: '1.0',
  methods: { length: call({ since: '1.0', request: Text, response: Count, idempotent: true }) },
});
const branch = defineContract({
  topic: 'branch',
  version: '1.0',
  methods: { ask: call({ since: '1.0', request: Text, response: Count }), hold: call({ since: '1.0', request: Empty, response: Empty }) },
});

let runs = 0;

/** A process with one queue that is asked, and asks. */
async function aBranch() {
  const settings = { url: testBroker(), namespace: `test-${process.pid}-one-${++runs}`, queues: 'classic', retryCapMs: 100 } as const;
  const office = await connectAmqp({ ...settings, service: 'office', id: '1' });
  const one = await connectAmqp({ ...settings, service: 'branch', id: 'b-1', oneQueue: true });
  const raw = await connect(settings.url);
  onTestFinished(async () => {
    await Promise.all([office.close(), one.close(), raw.close()]);
  });
  await serve(office, headOffice, { length: (_context, request) => count(request.text.length) });
  const asks = createClient(one, headOffice);
  const held: (() => void)[] = [];
  const open = (prefetch = 352) =>
    serve(
      one,
      branch,
      {
        ask: (_context, request) => asks.length(request),
        hold: () => new Promise<Empty>((resolve) => held.push(() => resolve(new Empty()))),
      },
      { server: 'b-1', shared: false, prefetch },
    );
  /** Whether the broker has a queue: it closes the channel of whoever asks for an absent one. */
  const exists = async (name: string) => {
    const channel = await raw.createChannel();
    channel.on('error', () => undefined);
    return channel.checkQueue(`${settings.namespace}.${name}.v2`).then(
      () => true,
      () => false,
    );
  };
  const cut = async () => {
    const channel = await raw.createChannel();
    await channel.deleteQueue(`${settings.namespace}.branch.b-1.v2`);
  };
  return { one, asks, open, held, exists, cut, far: createClient(office, branch).at('b-1') };
}

test('it is not connected before it listens: what it asks waits for that, and is answered over the one queue', async () => {
  const { one, asks, open, exists, far } = await aBranch();
  const turns: boolean[] = [];
  one.onChange((connected) => turns.push(connected));
  expect(one.connected).toBe(false);
  const early = asks.length(text('four'));
  await open();
  expect([one.connected, turns]).toEqual([true, [true]]);
  expect(await early).toMatchObject({ count: 4 });
  expect(await far.ask(text('seven..'))).toMatchObject({ count: 7 });
  expect([await exists('branch.b-1'), await exists('reply.branch.b-1')]).toEqual([true, false]);
});

test('requests that are in work do not hold up answers, as long as they are fewer than the prefetch', async () => {
  const { asks, open, held, far } = await aBranch();
  await open(4);
  const holding = [far.hold(new Empty()), far.hold(new Empty()), far.hold(new Empty())];
  await expect.poll(() => held.length).toBe(3);
  for (let round = 0; round < 10; round += 1) expect(await asks.length(text('abc'))).toMatchObject({ count: 3 });
  for (const release of held) release();
  await Promise.all(holding);
});

test('when it takes no more requests, answers still come', async () => {
  const { asks, open, exists } = await aBranch();
  const server = await open();
  await server.stop();
  expect(await asks.length(text('last words'))).toMatchObject({ count: 10 });
  expect(await exists('reply.branch.b-1')).toBe(true);
});

test('when the queue is lost, requests and answers come again', async () => {
  const { asks, open, cut, far } = await aBranch();
  await open();
  expect(await asks.length(text('a'))).toMatchObject({ count: 1 });
  await cut();
  await expect.poll(() => far.ask(text('ab'), { timeoutMs: 500 }).catch(() => undefined), { timeout: 5_000 }).toMatchObject({ count: 2 });
});
