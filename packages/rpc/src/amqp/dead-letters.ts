// Messages that were put aside, for a person to look at and to send again. They are read without being taken: whatever
// is not acknowledged goes back to its place when the channel closes.
import { createHash } from 'node:crypto';
import type { Channel, GetMessage } from 'amqplib';
import { readRequest, addressKeys, type RequestEnvelope } from '../wire/wire.ts';
import { environment } from '../environment.ts';
import { EVENTS, eventKeys } from '../notifications/envelope.ts';
import { RpcError } from '../errors.ts';
import { Dialer } from './dialer.ts';
import { Link } from './link.ts';
import { checkedUrls, type BrokerAccessOptions } from './login.ts';
import { brokerError } from './refusals.ts';
import { INTERNAL, Topology } from './topology.ts';

/** Which dead-letter queue to look at, and how to reach it. */
export interface DeadLetterSource extends Pick<BrokerAccessOptions, 'credentials' | 'tls'> {
  /** `amqp://user:password@host:port/vhost`. The account must read the dead-letter queue, and for a requeue write to the exchange. */
  readonly url: string;
  /** The first part of every name on the broker. Default `kilonova`. */
  readonly namespace?: string;
  /** How many are looked at, the oldest first. Default 1 000. */
  readonly limit?: number;
}

/** A message in the dead-letter queue, and why it is there. */
export interface DeadLetterEntry {
  /** Twelve hexadecimal digits of the content: the same message put aside twice has one id. */
  readonly id: string;
  /** Of the receiver that put it aside. */
  readonly topic: string;
  readonly reason: string;
  /** The account that sent it, validated by the broker at that time. */
  readonly caller: string;
  readonly method: string | undefined;
  readonly requestId: string | undefined;
  readonly bytes: number;
  readonly body: Buffer;
}

/** What became of the dead letters that were to be sent again. */
export interface RequeueOutcome {
  readonly requeued: readonly DeadLetterEntry[];
  /** Still where they were, with the reason. */
  readonly left: readonly { readonly letter: DeadLetterEntry; readonly why: string }[];
}

const HEARTBEAT_SECONDS = 30;
const DIAL_WAIT_MS = 5_000;
const PENDING_BYTES = 33_554_432;
const MOST_LETTERS = 1_000;
const QUIET = {
  onReturned: () => undefined,
  onBroken: () => undefined,
  onMended: () => undefined,
  onBlocked: () => undefined,
  onDrained: () => undefined,
};

/** What was put aside, the oldest first; nothing changes. @throws Unreachable when there is no such queue; NotAuthorized */
export function listDeadLetters(source: DeadLetterSource): Promise<readonly DeadLetterEntry[]> {
  return withDeadLetters(source, async (letters) => letters.map(({ letter }) => letter));
}

/**
 * Sends the chosen casts again to where they went first, and events to the group that put them aside, and removes each
 * that the broker has taken for a living server. Look at them before: who may put messages aside decides what is in them.
 * They go to no other topic than that of the receiver that put them aside, which the broker limits for hosts.
 * Their handlers see the account of this connection as the caller. Calls stay: nobody waits for their answer. What the
 * broker gives out twice (the connection broke in between) is handled twice, as any cast may be.
 *
 * @throws Unreachable when there is no such queue; NotAuthorized
 */
export function requeueDeadLetters(source: DeadLetterSource, choose: (letter: DeadLetterEntry) => boolean): Promise<RequeueOutcome> {
  return withDeadLetters(source, async (letters, { link, channel, topology }) => {
    const requeued: DeadLetterEntry[] = [];
    const left: { letter: DeadLetterEntry; why: string }[] = [];
    for (const { letter, message, envelope } of letters) {
      if (!choose(letter)) continue;
      if (envelope?.kind !== 'cast' && envelope?.kind !== 'event') {
        left.push({ letter, why: envelope === undefined ? 'it cannot be read' : `a ${envelope.kind} cannot be sent again` });
        continue;
      }
      const origin = originOf(message, envelope, topology);
      if (origin === undefined) {
        left.push({ letter, why: `it names a place that is not of ${message.fields.routingKey}` });
        continue;
      }
      const { exchange, key } = origin;
      try {
        await link.sendConfirmed(exchange, { exchange, key, body: letter.body, mandatory: true });
        channel.ack(message);
        requeued.push(letter);
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        left.push({ letter, why: `${error.code}: ${error.message}` });
      }
    }
    return { requeued, left };
  });
}

interface Read {
  readonly letter: DeadLetterEntry;
  readonly message: GetMessage;
  readonly envelope: RequestEnvelope | undefined;
}

interface Place {
  readonly link: Link;
  readonly channel: Channel;
  readonly topology: Topology;
}

async function withDeadLetters<T>(
  { url, credentials, tls, namespace = 'kilonova', limit = MOST_LETTERS }: DeadLetterSource,
  act: (letters: readonly Read[], place: Place) => Promise<T>,
): Promise<T> {
  const given = { ...(credentials === undefined ? {} : { credentials }), ...(tls === undefined ? {} : { tls }) };
  const urls = checkedUrls('dead letters', { url, ...given });
  const access = { urls, credentials, tls, heartbeatSeconds: HEARTBEAT_SECONDS, dialWaitMs: DIAL_WAIT_MS };
  const dialer = new Dialer(access, environment({}));
  const topology = new Topology(namespace, 'classic'); // the names are the same for both kinds
  let link: Link | undefined;
  try {
    link = await Link.open(await dialer.next(), 'kilonova-rpc dead-letters', PENDING_BYTES, QUIET);
    const channel = await link.channel();
    const letters: Read[] = [];
    while (letters.length < limit) {
      const message = await channel.get(topology.deadQueue);
      if (message === false) break;
      letters.push(read(message));
    }
    const result = await act(letters, { link, channel, topology });
    await channel.close();
    return result;
  } catch (error) {
    throw brokerError(error);
  } finally {
    await link?.close();
  }
}

function read(message: GetMessage): Read {
  const { content: body, properties, fields } = message;
  const headers: Readonly<Record<string, unknown>> = properties.headers ?? {};
  const [death] = properties.headers?.['x-death'] ?? [];
  const envelope = envelopeOf(body);
  const letter = {
    id: createHash('sha256').update(body).digest('hex').slice(0, 12),
    topic: textOf(headers['topic']) ?? envelope?.topic ?? fields.routingKey,
    reason: textOf(headers['reason']) ?? (death === undefined ? 'unknown' : `${death.reason} in ${death.queue}`),
    caller: textOf(headers['caller']) ?? textOf(properties.userId) ?? '',
    method: envelope?.method,
    requestId: envelope?.requestId,
    bytes: body.length,
    body,
  };
  return { letter, message, envelope };
}

function envelopeOf(body: Buffer): RequestEnvelope | undefined {
  try {
    return readRequest(body);
  } catch {
    return undefined;
  }
}

/** Routing keys of what the broker itself put aside: no host may write them. */
const LIMIT = 'limit';
const isGroupKey = (key: string): boolean => key.startsWith('group.');

/**
 * Noted by the receiver that put it aside, or by the broker. Undefined when the note names a place that the receiver has
 * no part in: it would go there in the name of whoever sends it again.
 */
function originOf({ properties, fields }: GetMessage, { topic, server }: RequestEnvelope, topology: Topology) {
  const { routingKey: by } = fields;
  if (isGroupKey(by)) return { exchange: topology.exchange(EVENTS), key: by };
  const headers: Readonly<Record<string, unknown>> = properties.headers ?? {};
  const [death] = by === LIMIT ? (properties.headers?.['x-death'] ?? []) : [];
  const exchange = textOf(headers['exchange']) ?? death?.exchange ?? topology.exchange(INTERNAL);
  const key =
    textOf(headers['key']) ??
    death?.['routing-keys'][0] ??
    (server === undefined ? addressKeys.topic(topic) : addressKeys.server(topic, server));
  const own = by === LIMIT || [`${by}.`, eventKeys.group(by, '')].some((start) => key.startsWith(start));
  return own && exchange.startsWith(`${topology.namespace}.`) ? { exchange, key } : undefined;
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
