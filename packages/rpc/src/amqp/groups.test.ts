import { connect, type Channel } from 'amqplib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  connectAmqp,
  consumeEvents,
  createPublisher,
  listDeadLetters,
  requeueDeadLetters,
  type ConsumeOptions,
  type EventHandlers,
  type Transport,
} from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { testBroker } from '../testing/proxy.ts';
import { change, events } from '../testing/things.ts';

let runs = 0;

describe.each(['classic', 'quorum'] as const)('groups on %s queues', (queues) => {
  let namespace: string;
  let transport: Transport;
  let connection: Awaited<ReturnType<typeof connect>>;
  let channel: Channel;

  beforeEach(async () => {
    namespace = `groups-${process.pid}-${queues}-${++runs}`;
    transport = await connectAmqp({ url: testBroker(), service: 'only', id: '1', namespace, queues });
    connection = await connect(testBroker());
    channel = await connection.createChannel();
  });
  afterEach(() => Promise.all([transport.close(), connection.close()]));

  const join = (group: string, handlers: EventHandlers<(typeof events)['events']>, options: Partial<ConsumeOptions> = {}) =>
    consumeEvents(transport, events, handlers, { group, attempts: 2, retryBaseMs: 1, ...options });
  const letters = () => listDeadLetters({ url: testBroker(), namespace });

  test('an event that was put aside and is sent again reaches the group that failed, and no other', async () => {
    let healthy = false;
    const failing: string[] = [];
    const other: string[] = [];
    await join('failing', {
      'thing.changed': ({ id }) => {
        if (!healthy) throw new Error('not today');
        failing.push(id);
      },
    });
    await join('other', { 'thing.changed': ({ id }) => void other.push(id) });
    const id = await createPublisher(transport, events).publish('thing.changed', change('one'));
    await expect.poll(letters).toMatchObject([{ method: 'thing.changed', reason: expect.stringContaining('2 attempts failed') }]);
    healthy = true;
    const { requeued } = await requeueDeadLetters({ url: testBroker(), namespace }, () => true);
    expect(requeued).toHaveLength(1);
    await eventually(() => failing.length === 1);
    expect([failing, other]).toEqual([[id], [id]]);
    expect(await letters()).toEqual([]);
  });

  test('what is no event is put aside, and the next one is handled', async () => {
    const seen: string[] = [];
    await join('audit', { 'thing.changed': (_context, { name }) => void seen.push(name) });
    const exchange = `${namespace}.events.v2`;
    channel.publish(exchange, 'things.info', Buffer.from('not JSON'));
    channel.publish(
      exchange,
      'things.info',
      Buffer.from(JSON.stringify({ kind: 'cast', topic: 'things', method: 'x', version: '1.0', requestId: 'r' })),
    );
    await createPublisher(transport, events).publish('thing.changed', change('one'));
    await eventually(() => seen.length === 1);
    await expect
      .poll(async () => (await letters()).map(({ reason }) => reason))
      .toEqual(['MalformedMessage: the message is not JSON', 'MalformedMessage: kind: expected event, got string']);
  });

  test('members that state other options for the queue are told so, and disturb nobody', async () => {
    const seen: string[] = [];
    await join('audit', { 'thing.changed': (_context, { name }) => void seen.push(name) }, { maxLength: 10 });
    await expect(join('audit', {}, { maxLength: 20 })).rejects.toThrow('group audit of things exists with other options');
    await createPublisher(transport, events).publish('thing.changed', change('one'));
    await eventually(() => seen.length === 1);
  });

  test('a group comes back after its queue was deleted', async () => {
    const seen: string[] = [];
    await join('audit', { 'thing.changed': (_context, { name }) => void seen.push(name) });
    const publisher = createPublisher(transport, events);
    await channel.deleteQueue(`${namespace}.events.things.audit.v2`);
    let sent = 0;
    await expect
      .poll(async () => {
        await publisher.publish('thing.changed', change(String(sent++)));
        return seen.length;
      })
      .toBeGreaterThan(0);
  });
});
