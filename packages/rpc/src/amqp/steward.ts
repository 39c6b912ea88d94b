import { ServiceError } from '../errors.ts';
import type { QueueKind } from '../contract/lane.ts';
import type { Transport } from '../transport.ts';
import { checkServerName } from '../wire/wire.ts';
import { declare, FROM_HOSTS, STEWARD_TOPIC, TO_HOSTS, type AnswersFrom } from './topology.ts';
import { AmqpTransport } from './transport.ts';

/** One name of one topic that an account may serve. */
export interface StewardGrant {
  readonly topic: string;
  readonly server: string;
  /** The contract's exchange. Default `to-hosts`. */
  readonly exchange?: string;
  /** The contract's `delivery.queues`. */
  readonly queues?: QueueKind;
  /** Whose answers the account takes: `trusted` keeps those of other accounts with a steward away from it. Default `all`. */
  readonly answersFrom?: AnswersFrom;
  /** Whether the contract has methods of `priority: 'control'`. */
  readonly control?: boolean;
}

/** Requests in hand at the same time. */
const PREFETCH = 16;

/**
 * Declares and binds queues for accounts that may not do so themselves: when one asks, those of the grants that
 * `allow` gives for its broker-validated user id. A granted account connects with `service` = topic and `id` = server,
 * for its reply and fanout queues carry these names.
 *
 * In-process transports need no steward; there this does nothing.
 */
export async function serveSteward(
  transport: Transport,
  options: { allow(userId: string): readonly StewardGrant[] | Promise<readonly StewardGrant[]> },
): Promise<{ stop(): Promise<void> }> {
  if (!(transport instanceof AmqpTransport)) return { stop: async () => undefined };
  const { log } = transport.environment;
  /** A host asks again while its queues are on the way: once at a time is enough. */
  const busy = new Set<string>();

  const provide = async (userId: string) => {
    const grants = await options.allow(userId);
    if (grants.length === 0) throw new ServiceError('not_granted', 'the account is granted no queue');
    for (const grant of grants) await provideQueues(transport, grant);
    log.info({ userId, grants: grants.length }, 'queues declared for an account');
  };
  const listener = await transport.listen({ kind: 'topic', exchange: FROM_HOSTS, topic: STEWARD_TOPIC }, PREFETCH, (delivery) => {
    const { userId } = delivery;
    if (userId === '' || busy.has(userId)) return delivery.ack();
    busy.add(userId);
    provide(userId)
      .catch((error: unknown) =>
        log.warn({ userId, reason: error instanceof Error ? error.message : String(error) }, 'no queues declared for an account'),
      )
      .finally(() => {
        busy.delete(userId);
        delivery.ack();
      });
  });
  return { stop: () => listener.close() };
}

async function provideQueues(
  transport: AmqpTransport,
  { topic, server, exchange = TO_HOSTS, queues, answersFrom, control = false }: StewardGrant,
): Promise<void> {
  checkServerName(topic);
  checkServerName(server);
  const { topology } = transport;
  const channel = await transport.channel();
  try {
    for (const queue of [
      topology.queue({ kind: 'server', exchange, topic, server, queues }, topic, server),
      ...(control ? [topology.queue({ kind: 'server', exchange, topic, server, queues, lane: 'control' }, topic, server)] : []),
      topology.queue({ kind: 'fanout', exchange, topic }, topic, server),
      topology.reply(topic, server, answersFrom),
    ])
      await declare(channel, topology, queue);
  } finally {
    await channel.close().catch(() => undefined);
  }
}
