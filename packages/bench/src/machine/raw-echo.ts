import { connect } from 'amqplib';
import type { Bench } from '../measure/bench.ts';
import { median } from '../measure/percentiles.ts';

export interface EchoRate {
  readonly perS: number;
  readonly p50Ms: number;
}

/** Questions and answers by amqplib alone, so many at a time; both ends are in this process, with a connection each. */
export async function rawEcho(url: string, atOnce: number, ms: number, { clock, random, signal }: Bench): Promise<EchoRate> {
  const [asking, answering] = await Promise.all([connect(url, { noDelay: true }), connect(url, { noDelay: true })]);
  try {
    const server = await answering.createChannel();
    const { queue } = await server.assertQueue('', { exclusive: true });
    await server.consume(queue, (message) => {
      if (message === null) return;
      const { replyTo, correlationId } = message.properties;
      server.publish('', String(replyTo), message.content, { correlationId });
      server.ack(message);
    });
    const client = await asking.createChannel();
    const { queue: replies } = await client.assertQueue('', { exclusive: true });
    const waiting = new Map<string, () => void>();
    await client.consume(replies, (message) => waiting.get(String(message?.properties.correlationId))?.(), { noAck: true });
    const body = Buffer.alloc(200, 'x');
    const began = clock.monotonic();
    const tookMs: number[] = [];
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (!signal.aborted && clock.monotonic() - began < ms) {
          const sent = clock.monotonic();
          const correlationId = random.uuid();
          await new Promise<void>((settle) => {
            waiting.set(correlationId, settle);
            client.publish('', queue, body, { correlationId, replyTo: replies });
          });
          waiting.delete(correlationId);
          tookMs.push(clock.monotonic() - sent);
        }
      }),
    );
    return { perS: (tookMs.length * 1_000) / (clock.monotonic() - began), p50Ms: median(tookMs) };
  } finally {
    await Promise.all([asking.close(), answering.close()]);
  }
}
