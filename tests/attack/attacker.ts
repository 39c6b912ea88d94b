import { randomUUID } from 'node:crypto';
import { connect, type ChannelModel, type ConfirmChannel, type ConsumeMessage, type Options } from 'amqplib';
import { eventually } from '../support/eventually.ts';

/** What became of something that was tried. */
export type Outcome =
  /** The broker closed the channel over it. */
  | { readonly by: 'broker'; readonly why: string }
  /** The broker knew nobody to give it to. */
  | { readonly by: 'nobody' }
  /** Our code answered with this error. */
  | { readonly by: 'us'; readonly why: string }
  /** It was done, as far as the attacker can see. */
  | { readonly by: 'none' };

const NONE: Outcome = { by: 'none' };
const DENIED =
  /403 \(ACCESS.REFUSED\)|404 \(NOT.FOUND\)|405 \(RESOURCE.LOCKED\)|406 \(PRECONDITION.FAILED\)|503 \(COMMAND.INVALID\)|530 \(NOT.ALLOWED\)/;

export interface Shot {
  readonly exchange: string;
  readonly key: string;
  readonly body: Buffer | string;
  readonly options?: Options.Publish;
}

/** Somebody with the password of one host's account, who speaks AMQP and knows our wire. Serves the host's queues in its place. */
export class Attacker {
  readonly account: string;
  readonly replyKey: string;
  /** Orders that came for the host. */
  readonly orders: ConsumeMessage[] = [];
  readonly #connection: ChannelModel;
  readonly #answers = new Map<string, (answer: Buffer) => void>();
  /** Those that are open and at rest. */
  readonly #channels: ConfirmChannel[] = [];

  private constructor(connection: ChannelModel, host: string) {
    this.#connection = connection;
    this.account = `compute.${host}`;
    this.replyKey = `reply.compute.${host}`;
  }

  static async connect(url: string, namespace: string, host: string): Promise<Attacker> {
    const connection = await connect(url);
    connection.on('error', () => undefined);
    const attacker = new Attacker(connection, host);
    // The steward gives an account the queues of its own name.
    await eventually(
      async () => {
        await attacker.shoot({
          exchange: `${namespace}.from-hosts.v2`,
          key: 'steward.any',
          body: '{}',
          options: { userId: attacker.account },
        });
        await attacker.#consume(`${namespace}.reply.compute.${host}.v2`, (message) => {
          attacker.#answers.get(String(message.properties.correlationId))?.(message.content);
        });
        await attacker.#consume(`${namespace}.compute.${host}.v2`, (message) => attacker.orders.push(message));
        return true;
      },
      undefined,
      { timeoutMs: 30_000, everyMs: 200, what: 'the queues of the stolen account' },
    );
    return attacker;
  }

  async close(): Promise<void> {
    await this.#connection.close().catch(() => undefined);
  }

  /** Does it on a channel of its own, for the broker closes those that it refuses something on. */
  async attempt(act: (channel: ConfirmChannel) => Promise<Outcome>): Promise<Outcome> {
    const channel = this.#channels.pop() ?? (await this.#connection.createConfirmChannel());
    let end: (error: Error) => void = () => undefined;
    const refused = new Promise<Outcome>((settle) => {
      end = (error) => settle({ by: 'broker', why: DENIED.exec(error.message)?.[0] ?? error.message });
      channel.once('error', end);
    });
    const outcome = await Promise.race([act(channel).catch(() => refused), refused]);
    channel.off('error', end);
    if (outcome.by !== 'broker') this.#channels.push(channel);
    return outcome;
  }

  /** Publishes, and waits until the broker has taken or refused it. */
  shoot({ exchange, key, body, options = {} }: Shot): Promise<Outcome> {
    return this.attempt(async (channel) => {
      let returned = false;
      const onReturn = () => (returned = true);
      channel.on('return', onReturn);
      channel.publish(exchange, key, Buffer.from(body as string), { userId: this.account, mandatory: true, ...options });
      await channel.waitForConfirms();
      channel.off('return', onReturn);
      return returned ? { by: 'nobody' } : NONE;
    });
  }

  /** The same for what is answered: by an error of ours, or well. */
  async ask(shot: Shot, timeoutMs = 5_000): Promise<Outcome> {
    const correlationId = randomUUID();
    const answered = new Promise<Buffer>((settle) => this.#answers.set(correlationId, settle));
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<undefined>((settle) => (timer = setTimeout(() => settle(undefined), timeoutMs)));
    try {
      const sent = await this.shoot({ ...shot, options: { replyTo: this.replyKey, correlationId, ...shot.options } });
      if (sent.by !== 'none') return sent;
      const answer = await Promise.race([answered, silence]);
      if (answer === undefined) return { by: 'us', why: 'silence' };
      const { error } = JSON.parse(answer.toString()) as { error?: { code: string } };
      return error === undefined ? NONE : { by: 'us', why: error.code };
    } finally {
      clearTimeout(timer);
      this.#answers.delete(correlationId);
    }
  }

  async #consume(queue: string, take: (message: ConsumeMessage) => void): Promise<void> {
    const channel = await this.#connection.createChannel();
    channel.on('error', () => undefined);
    await channel.consume(queue, (message) => message !== null && take(message), { noAck: true });
  }
}
