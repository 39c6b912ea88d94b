import { connect } from 'amqplib';
import { spread, type Bench } from '../measure/bench.ts';

export interface RawOpening {
  readonly seconds: number;
  close(): Promise<void>;
}

/**
 * The floor: as many connections by amqplib alone, each with one channel, one queue and one consumer, so many at a time.
 * @throws Error of the first that could not be opened
 */
export async function openRaw(url: string, count: number, atOnce: number, { clock, signal, progress }: Bench): Promise<RawOpening> {
  const open: { close(): Promise<unknown> }[] = [];
  const began = clock.monotonic();
  const close = async () => void (await Promise.all(open.map((connection) => connection.close().catch(() => undefined))));
  try {
    await spread(count, atOnce, signal, async () => {
      const connection = await connect(url, { noDelay: true });
      connection.on('error', () => undefined);
      open.push(connection);
      const channel = await connection.createChannel();
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.consume(queue, () => undefined, { noAck: true });
      progress.at(open.length, count, 'plain connections');
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { seconds: (clock.monotonic() - began) / 1_000, close };
}
