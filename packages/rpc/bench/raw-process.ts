// The floor: amqplib by hand, with what a careful author sets (noDelay, manual acknowledgement, prefetch, mandatory), and
// nothing else: no contract, no version, no deadline, no errors, the body is bytes that nobody reads.
//   node raw-process.ts client|server AMQP-URL [like-ours]
// `like-ours` sends by hand what this library sends to the broker: a direct exchange instead of the default one,
// queues with limits, the validated sender, an expiration. Beside it one sees which part of a ratio is the library's own.
import { connect } from 'amqplib';
import type { Cell } from './cell.ts';
import { reportHandled, takeOrders } from './load.ts';

const PREFETCH = 100;
const QUEUES = ['classic', 'quorum'] as const;
const [role, url = '', topology] = process.argv.slice(2);
const likeOurs = topology === 'like-ours';
const exchange = likeOurs ? 'bench.raw.direct' : '';
const limits = likeOurs ? { 'x-max-length': 100_000, 'x-overflow': 'reject-publish' } : {};
const extra = likeOurs ? { userId: decodeURIComponent(new URL(url).username), contentType: 'application/json' } : {};
const nameOf = (queue: string) => `bench.raw.${queue}${likeOurs ? '.limited' : ''}`;

const model = await connect(url, { noDelay: true });
if (likeOurs) await (await model.createChannel()).assertExchange(exchange, 'direct');
if (role === 'server') await serveRaw();
else await askRaw();

async function serveRaw(): Promise<void> {
  let count = 0;
  for (const queue of QUEUES) {
    const channel = await model.createChannel();
    await channel.assertQueue(nameOf(queue), { durable: true, arguments: { 'x-queue-type': queue, 'x-expires': 600_000, ...limits } });
    if (likeOurs) await channel.bindQueue(nameOf(queue), exchange, nameOf(queue));
    await channel.prefetch(PREFETCH);
    await channel.consume(nameOf(queue), (message) => {
      if (message === null) return;
      count++;
      const { replyTo, correlationId } = message.properties;
      if (replyTo !== undefined) channel.publish(exchange, String(replyTo), message.content, { correlationId, mandatory: true, ...extra });
      channel.ack(message);
    });
  }
  reportHandled(() => count);
}

async function askRaw(): Promise<void> {
  const plain = await model.createChannel();
  const confirming = await model.createConfirmChannel();
  const { queue: replyTo } = await plain.assertQueue('', { exclusive: true, arguments: limits });
  if (likeOurs) await plain.bindQueue(replyTo, exchange, replyTo);
  const waiting = new Map<string, (value?: unknown) => void>();
  let calls = 0;
  await plain.consume(
    replyTo,
    (message) => {
      const id = String(message?.properties.correlationId);
      waiting.get(id)?.();
      waiting.delete(id);
    },
    { noAck: true },
  );
  const confirmed = (queue: string, body: Buffer, options: object) =>
    new Promise<void>((resolve, reject) => {
      confirming.publish(exchange, queue, body, { ...options, ...extra, mandatory: true }, (error: Error | null) =>
        error === null ? resolve() : reject(error),
      );
    });
  takeOrders(({ op, queue, bytes }: Cell) => {
    const body = Buffer.alloc(bytes, 'x');
    const name = nameOf(queue);
    if (op === 'cast') return () => confirmed(name, body, { persistent: true });
    return () => {
      const correlationId = String(calls++);
      const answered = new Promise((resolve) => waiting.set(correlationId, resolve));
      if (queue === 'quorum') return Promise.all([answered, confirmed(name, body, { correlationId, replyTo })]);
      plain.publish(exchange, name, body, {
        correlationId,
        replyTo,
        mandatory: true,
        ...extra,
        ...(likeOurs ? { expiration: 30_000 } : {}),
      });
      return answered;
    };
  });
}
