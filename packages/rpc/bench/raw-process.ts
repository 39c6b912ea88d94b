// The floor: amqplib by hand, with what a careful author sets (noDelay, manual acknowledgement, prefetch, mandatory), and
// nothing else: no contract, no version, no deadline, no errors, the body is bytes that nobody reads.
//   node raw-process.ts client|server AMQP-URL
import { connect } from 'amqplib';
import type { Cell } from './cell.ts';
import { reportHandled, takeOrders } from './load.ts';

const PREFETCH = 100;
const QUEUES = ['classic', 'quorum'] as const;
const nameOf = (queue: string) => `bench.raw.${queue}`;

const [role, url = ''] = process.argv.slice(2);
const model = await connect(url, { noDelay: true });
if (role === 'server') await serveRaw();
else await askRaw();

async function serveRaw(): Promise<void> {
  let count = 0;
  for (const queue of QUEUES) {
    const channel = await model.createChannel();
    await channel.assertQueue(nameOf(queue), { durable: true, arguments: { 'x-queue-type': queue, 'x-expires': 600_000 } });
    await channel.prefetch(PREFETCH);
    await channel.consume(nameOf(queue), (message) => {
      if (message === null) return;
      count++;
      const { replyTo, correlationId } = message.properties;
      if (replyTo !== undefined) channel.publish('', String(replyTo), message.content, { correlationId, mandatory: true });
      channel.ack(message);
    });
  }
  reportHandled(() => count);
}

async function askRaw(): Promise<void> {
  const plain = await model.createChannel();
  const confirming = await model.createConfirmChannel();
  const { queue: replyTo } = await plain.assertQueue('', { exclusive: true });
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
      confirming.publish('', queue, body, { ...options, mandatory: true }, (error: Error | null) =>
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
      plain.publish('', name, body, { correlationId, replyTo, mandatory: true });
      return answered;
    };
  });
}
