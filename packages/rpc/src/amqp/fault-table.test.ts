// The table of faults in the README, row by row: what the caller sees, and that nothing is left behind. Some rows need a
// broker of their own, and counting what is there needs one for all.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectRaw, type Channel, type ChannelModel } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { installedRabbitmq, PrivateBroker } from '../../../../tests/support/services/private-broker.ts';
import {
  Busy,
  connectAmqp,
  ConnectionLost,
  createClient,
  serve,
  transportHealth,
  type Handlers,
  type ServeOptions,
  type Transport,
} from '../index.ts';
import { eventually, tally } from '../testing/bench.ts';
import { count, echoContract, echoHandlers, text, type EchoContract } from '../testing/echo.ts';
import { noteTime } from '../testing/fault-times.ts';
import { footprint, nothingLeft, type Footprint } from '../testing/footprint.ts';
import { describeKilledServers } from '../testing/killed-servers.ts';
import { openProxy, type CuttableProxy } from '../testing/proxy.ts';
import { Topology } from './topology.ts';

const contract = echoContract('faults');
const ROUNDS = 3;
let runs = 0;

describe.skipIf(installedRabbitmq() === undefined)('with a RabbitMQ of its own (skipped where none is installed)', () => {
  let broker: PrivateBroker;
  let dir = '';

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'kilonova-rpc-fault-table-'));
    broker = await PrivateBroker.start(dir);
  }, 120_000);
  afterAll(async () => {
    await broker?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  describe('between two living processes', () => {
    let topology: Topology;
    let proxy: CuttableProxy;
    let near: Transport;
    let far: Transport;
    let raw: ChannelModel;
    let channel: Channel;
    let before: Footprint;
    let received = tally();
    const calls = new AbortController();
    const release = new Set<() => void>();
    const handlers: Partial<Handlers<EchoContract>> = {};

    beforeEach(async () => {
      topology = new Topology(`table-${++runs}`, 'classic');
      proxy = await openProxy(broker.url);
      received = tally();
      const options = { namespace: topology.namespace, queues: 'classic', id: '1', retryBaseMs: 10, retryCapMs: 100, beatMs: 500 } as const;
      near = await connectAmqp({ ...options, url: proxy.url, service: 'near' });
      far = await connectAmqp({ ...options, url: broker.url, service: 'far', metrics: received });
      raw = await connectRaw(broker.url);
      channel = await raw.createChannel();
    });
    afterEach(async () => {
      for (const act of release) act();
      release.clear();
      try {
        await nothingLeft(broker, before, calls.signal);
      } finally {
        await Promise.all([near.close(), far.close(), raw.close()]);
        await proxy.close();
      }
    });

    const client = () => createClient(near, contract);
    const run = async (over: Partial<Handlers<EchoContract>> = handlers, options: ServeOptions = {}) => {
      await serve(far, contract, echoHandlers(release, over), options);
      await client().echo(text('warm'));
      // Whoever sends with confirmation opens a channel for it once.
      for (const each of [near, far]) await createClient(each, contract).note(text('warm'));
      before = await footprint(broker, calls.signal);
    };
    const hanging = () =>
      client()
        .hang({ ms: 1 }, { timeoutMs: 60_000, signal: calls.signal })
        .catch((error: unknown) => error);
    const answersAgain = async () => {
      await expect
        .poll(() =>
          client()
            .echo(text('again'), { timeoutMs: 500 })
            .then(({ text: word }) => word, String),
        )
        .toBe('again');
    };
    const queues = () => ({
      work: topology.queue({ kind: 'topic', exchange: contract.exchange, topic: contract.topic }, 'far', '1').name,
      replies: topology.reply('near', '1').name,
    });
    const publish = (body: Buffer, properties: object = {}) =>
      channel.publish(topology.exchange(contract.exchange), `${contract.topic}.any`, body, properties);
    const envelope = (over: object) =>
      Buffer.from(
        JSON.stringify({
          kind: 'note',
          topic: contract.topic,
          method: 'note',
          version: '1.0',
          requestId: 'r',
          body: { text: 'x' },
          ...over,
        }),
      );

    test('connection cut in the middle of a call: it fails at once, a repeatable one is answered after the reconnect', async () => {
      await run({ repeatable: () => new Promise((resolve) => release.add(() => resolve(count(1)))) });
      const lostMs: number[] = [];
      const answeredMs: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const lost = hanging();
        const repeated = client().repeatable({ ms: 1 }, { timeoutMs: 60_000, signal: calls.signal });
        await eventually(() => release.size >= 2);
        const start = performance.now();
        proxy.cut();
        expect(await lost).toBeInstanceOf(ConnectionLost);
        lostMs.push(performance.now() - start);
        proxy.restore();
        const answering = setInterval(() => release.forEach((act) => act()), 1);
        expect((await repeated).count).toBe(1);
        answeredMs.push(performance.now() - start);
        clearInterval(answering);
        release.clear();
      }
      noteTime('connection cut in the middle of a call: ConnectionLost', ...lostMs);
      noteTime('connection cut in the middle of an idempotent call: answered', ...answeredMs);
    });

    test('reply queue deleted: a call in flight fails at once, and work goes on', async () => {
      await run();
      const ms: number[] = [];
      for (let round = 1; round <= ROUNDS; round++) {
        const lost = hanging();
        await eventually(() => release.size === round);
        const start = performance.now();
        await channel.deleteQueue(queues().replies);
        expect(await lost).toBeInstanceOf(ConnectionLost);
        ms.push(performance.now() - start);
        await answersAgain();
      }
      noteTime('reply queue deleted: ConnectionLost', ...ms);
    });

    test('reply queue deleted while a single repeatable call is in flight: it is answered', async () => {
      let runsOf = 0;
      await run({ repeatable: () => (runsOf++ === 0 ? new Promise((resolve) => release.add(() => resolve(count(1)))) : count(runsOf)) });
      const repeated = client().repeatable({ ms: 1 }, { timeoutMs: 60_000 });
      await eventually(() => runsOf === 1);
      const start = performance.now();
      await channel.deleteQueue(queues().replies);
      expect((await repeated).count).toBe(2);
      noteTime('reply queue deleted, idempotent call: answered', performance.now() - start);
    });

    test('request queue deleted: what is in hand is answered, and new calls are as soon as it is declared again', async () => {
      await run();
      const inHand = client().hang({ ms: 1 });
      await eventually(() => release.size === 1);
      const start = performance.now();
      await channel.deleteQueue(queues().work);
      await expect
        .poll(
          () =>
            client()
              .echo(text('again'), { timeoutMs: 2_000 })
              .then(
                ({ text: word }) => word,
                (error: { code: string }) => error.code,
              ),
          { interval: 1 },
        )
        .toBe('again');
      noteTime('request queue deleted: Unreachable until the server has it again', performance.now() - start);
      for (const act of release) act();
      await expect(inHand).resolves.toBeDefined();
    });

    test('memory alarm: messages wait for connectWaitMs and fail as busy, and go on when it is over', { timeout: 60_000 }, async () => {
      await run();
      await broker.ctl(['set_vm_memory_high_watermark', '0.0000001']);
      const first = client().echo(text('the broker tells when something is sent'), { timeoutMs: 60_000 });
      await eventually(() => near.blocked !== undefined);
      expect(transportHealth(near)).toEqual({ ok: false, reason: 'no messages go to the broker: low on memory' });
      const start = performance.now();
      await expect(client().echo(text('?'))).rejects.toBeInstanceOf(Busy);
      noteTime(`memory alarm: Busy (connectWaitMs ${near.limits.connectWaitMs})`, performance.now() - start);
      await broker.ctl(['set_vm_memory_high_watermark', '0.4']);
      await first;
      expect(transportHealth(near)).toEqual({ ok: true });
    });

    test('the same request delivered twice: the caller gets one answer', async () => {
      let seen = 0;
      await run({ note: () => void seen++ });
      const twice = envelope({ kind: 'cast' });
      publish(twice, { correlationId: 'one' });
      publish(twice, { correlationId: 'one' });
      await eventually(() => seen + received.counted('duplicates') === 2);
      const replyTo = 'reply.near.1';
      const call = Buffer.from(JSON.stringify({ ...JSON.parse(twice.toString()), kind: 'call', method: 'echo' }));
      publish(call, { correlationId: randomUUID(), replyTo }); // nobody waits for its answer: it is dropped
      expect(await client().echo(text('!'))).toMatchObject({ text: '!' });
    });

    test('messages of a wrong shape, encoding or size harm nobody: refused, counted, and kept if they can be', async () => {
      await run();
      const garbage: readonly Buffer[] = [
        Buffer.from('not JSON'),
        Buffer.from([0xff, 0xfe, 0x00, 0x80]),
        Buffer.alloc(0),
        Buffer.from('[]'),
        Buffer.from('null'),
        envelope({ kind: 'nonsense' }),
        envelope({ kind: 'cast', version: 'one' }),
        envelope({ kind: 'cast', body: { text: 7 } }),
        envelope({ kind: 'call', method: 'echo' }), // without an address for its answer
        envelope({ kind: 'cast', timeoutMs: 'soon' }),
        envelope({ kind: 'cast', __proto__: { topic: 'x' }, body: JSON.parse('{"__proto__": {"text": "x"}}') }),
      ];
      for (const body of garbage) publish(body);
      publish(envelope({ kind: 'cast', body: { text: 'x'.repeat(far.limits.maxMessageBytes) } }));
      channel.publish(topology.exchange('replies'), 'reply.near.1', Buffer.from('not JSON'), { correlationId: randomUUID() });
      channel.publish(topology.exchange('replies'), 'reply.near.1', Buffer.alloc(near.limits.maxMessageBytes + 1), {});
      await eventually(() => received.counted('refused') === garbage.length + 1);
      expect(received.counted('refused', { code: 'MessageTooLarge' })).toBe(1);
      expect(received.counted('dead_lettered')).toBe(garbage.length);
      await expect.poll(async () => (await channel.checkQueue(topology.deadQueue)).messageCount).toBe(garbage.length);
      expect(await client().echo(text('alive'))).toMatchObject({ text: 'alive' });
      expect(received.counted('handler_errors')).toBe(0);
    });

    test('a deadline that has passed on arrival: dropped without effect, and counted', async () => {
      let seen = 0;
      await run({ note: ({ deadline }) => void (deadline < Number.POSITIVE_INFINITY && seen++) });
      publish(envelope({ kind: 'cast', timeoutMs: 0 }));
      publish(envelope({ kind: 'cast', timeoutMs: -5 }));
      await eventually(() => received.counted('expired') === 2);
      await client().note(text('in time'), { timeoutMs: 60_000 });
      await eventually(() => seen > 0);
      expect(seen).toBe(1);
    });

    test('a slow consumer: what it cannot take is refused as busy at once, and what it took is answered', async () => {
      await run({}, { concurrency: 1, overloadLimit: 2 });
      const taken = [client().hang({ ms: 1 }), client().echo(text('1')), client().echo(text('2'))];
      await eventually(() => release.size === 1);
      const ms: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const start = performance.now();
        await expect(client().echo(text('?'), { timeoutMs: 60_000 })).rejects.toBeInstanceOf(Busy);
        ms.push(performance.now() - start);
      }
      noteTime('a server that is full: Busy', ...ms);
      for (const act of release) act();
      expect(await Promise.all(taken)).toHaveLength(3);
    });

    test('nobody listens: unreachable at once', async () => {
      await run();
      const ms: number[] = [];
      for (let round = 0; round < 10 * ROUNDS; round++) {
        const start = performance.now();
        await expect(client().at('nobody').echo(text('?'), { timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'Unreachable' });
        ms.push(performance.now() - start);
      }
      noteTime('nobody listens: Unreachable', ...ms);
    });

    test('a hundred clients of a process share its connection, its channels and its queues', async () => {
      await run();
      const clients = Array.from({ length: 100 }, () => createClient(near, contract));
      await Promise.all(clients.map((one) => one.echo(text('?'))));
      await Promise.all(clients.map((one) => one.note(text('?'))));
      expect(await footprint(broker, calls.signal)).toMatchObject({
        queues: before.queues,
        connections: before.connections,
        channels: before.channels,
        consumers: before.consumers,
      });
      expect(before.connections).toBe(3); // near, far, and ours
    });
  });

  describe('when a server process is killed or held up', () => {
    describeKilledServers(() => broker);
  });
});
