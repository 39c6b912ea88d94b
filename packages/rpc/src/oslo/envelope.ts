// The bodies of oslo.messaging 2.0: a JSON object whose `oslo.message` is a JSON text again, with everything that other
// protocols put beside the body inside it (oslo_messaging/_drivers/common.py and amqpdriver.py).
import { parseObject } from '../codec/codec.ts';
import { malformed } from '../codec/fields.ts';
import { MalformedMessage, MessageTooLarge } from '../errors.ts';

type Plain = Readonly<Record<string, unknown>>;

export interface OsloRequest {
  readonly method: string;
  readonly args: Plain;
  readonly namespace: string | undefined;
  /** MAJOR.MINOR; what states none is 1.0. */
  readonly version: string;
  /** Where the answer goes; undefined for casts and fanouts. */
  readonly answer: OsloReturn | undefined;
  /** The sender's context (`_context_*`): user, project, request id. */
  readonly context: Plain;
  /** One for each message sent; the same again is a duplicate. What is longer than a name is none: it is remembered. */
  readonly uniqueId: string | undefined;
}

export interface OsloReturn {
  readonly msgId: string;
  readonly queue: string;
  /** The caller wants a sign of life at least this often; seconds. */
  readonly monitorSeconds: number | undefined;
}

export interface OsloReply {
  readonly msgId: string;
  readonly result: unknown;
  /** A JSON text. */
  readonly failure: string | null;
  /** False in a heartbeat. */
  readonly ending: boolean;
}

const ENVELOPE = '2.0';
const CONTEXT = '_context_';
/** AMQP's limit on what stands in the head of a message, as a reply queue's name and a call's id do in that of its answer; bytes. */
const MAX_NAME = 255;

/** @throws MessageTooLarge; nothing larger is parsed or sent. */
export function withinLimit(bytes: Buffer, limit: number, what: string): Buffer {
  if (bytes.length > limit)
    throw new MessageTooLarge(`${what} has ${bytes.length} bytes, the limit (maxMessageBytes) is ${limit}`, { bytes: bytes.length, limit });
  return bytes;
}

const pack = (message: Plain): Buffer => Buffer.from(JSON.stringify({ 'oslo.version': ENVELOPE, 'oslo.message': JSON.stringify(message) }));

export const packContext = (context: Plain): Plain =>
  Object.fromEntries(Object.entries(context).map(([name, value]) => [`${CONTEXT}${name}`, value]));

// Object.fromEntries defines properties, so that a key like `_context___proto__` is a key like any other.
const contextOf = (message: Plain): Plain =>
  Object.fromEntries(
    Object.entries(message)
      .filter(([key]) => key.startsWith(CONTEXT))
      .map(([key, value]) => [key.slice(CONTEXT.length), value]),
  );

/** Takes what has no envelope (format 1.0) as it is, like oslo.messaging. @throws MalformedMessage */
function unpack(bytes: Buffer): Record<string, unknown> {
  const envelope = parseObject(bytes);
  const version = envelope['oslo.version'];
  const inner = envelope['oslo.message'];
  if (version === undefined || inner === undefined) return envelope;
  if (version !== ENVELOPE)
    throw new MalformedMessage(`the envelope is of version ${JSON.stringify(version)}, expected ${ENVELOPE}`, {
      path: 'oslo.version',
      expected: ENVELOPE,
    });
  if (typeof inner !== 'string') throw malformed('oslo.message', 'a JSON text', inner);
  return parseObject(inner);
}

export function packRequest(request: OsloRequest): Buffer {
  const { method, args, namespace, version, answer, context, uniqueId } = request;
  return pack({
    ...packContext(context),
    method,
    args,
    version,
    ...(namespace === undefined ? {} : { namespace }),
    ...(answer === undefined ? {} : { _msg_id: answer.msgId, _reply_q: answer.queue, _timeout: answer.monitorSeconds ?? null }),
    _unique_id: uniqueId,
  });
}

/** @throws MalformedMessage naming the path; its details hold `answer` when the sender can be told. */
export function readRequest(bytes: Buffer): OsloRequest {
  const message = unpack(bytes);
  const answer = returnOf(message);
  try {
    const { method, args = {}, namespace, version = '1.0', _unique_id: uniqueId } = message;
    if (typeof method !== 'string') throw malformed('method', 'string', method);
    if (!isPlain(args)) throw malformed('args', 'an object', args);
    if (typeof version !== 'string') throw malformed('version', 'string', version);
    if (namespace !== undefined && namespace !== null && typeof namespace !== 'string') throw malformed('namespace', 'string', namespace);
    return {
      method,
      args,
      namespace: namespace ?? undefined,
      version,
      answer,
      context: contextOf(message),
      uniqueId: isName(uniqueId) ? uniqueId : undefined,
    };
  } catch (error) {
    if (error instanceof MalformedMessage) throw new MalformedMessage(error.message, { ...error.details, answer }, { cause: error });
    throw error;
  }
}

function returnOf(message: Plain): OsloReturn | undefined {
  const { _msg_id: msgId, _reply_q: queue, _timeout: monitor } = message;
  if (!isName(msgId) || !isName(queue)) return undefined;
  const seconds = typeof monitor === 'object' ? Number.NaN : Number(monitor);
  return { msgId, queue, monitorSeconds: seconds > 0 && Number.isFinite(seconds) ? seconds : undefined };
}

export const packReply = (reply: OsloReply, uniqueId: string): Buffer =>
  pack({ result: reply.result ?? null, failure: reply.failure, ending: reply.ending, _msg_id: reply.msgId, _unique_id: uniqueId });

/** @throws MalformedMessage naming the path */
export function readReply(bytes: Buffer): OsloReply {
  const { _msg_id: msgId, result = null, failure = null, ending = false } = unpack(bytes);
  if (typeof msgId !== 'string') throw malformed('_msg_id', 'string', msgId);
  if (failure !== null && typeof failure !== 'string') throw malformed('failure', 'a JSON text', failure);
  return { msgId, result, failure: failure === '' ? null : failure, ending: ending === true };
}

/** How loud a notification is; listeners choose by it. */
export const PRIORITIES = ['audit', 'debug', 'info', 'warn', 'error', 'critical', 'sample'] as const;
/** The priorities that oslo.messaging has; each has a queue of its own. */
export type OsloPriority = (typeof PRIORITIES)[number];

/** A notification as its handler sees it. */
export interface OsloNotification {
  readonly messageId: string;
  /** `service.host` */
  readonly publisherId: string;
  /** Dotted words like `instance.create.end`. */
  readonly eventType: string;
  readonly priority: OsloPriority;
  readonly payload: unknown;
  /** UTC, `YYYY-MM-DD HH:MM:SS.ffffff`. */
  readonly timestamp: string;
  /** The sender's context. */
  readonly context: Plain;
}

/** With the envelope, which the driver `messagingv2` uses. */
export const packNotification = (given: OsloNotification, uniqueId: string): Buffer =>
  pack({
    ...packContext(given.context),
    message_id: given.messageId,
    publisher_id: given.publisherId,
    event_type: given.eventType,
    priority: given.priority.toUpperCase(),
    payload: given.payload,
    timestamp: given.timestamp,
    _unique_id: uniqueId,
  });

/** With the envelope or (driver `messaging`) without. @throws MalformedMessage naming the path */
export function readNotification(bytes: Buffer): OsloNotification {
  const message = unpack(bytes);
  for (const name of ['message_id', 'publisher_id', 'event_type', 'priority', 'timestamp'])
    if (typeof message[name] !== 'string') throw malformed(name, 'string', message[name]);
  const priority = (message['priority'] as string).toLowerCase() as OsloPriority;
  if (!PRIORITIES.includes(priority)) throw malformed('priority', PRIORITIES.join(', '), priority);
  return {
    messageId: message['message_id'] as string,
    publisherId: message['publisher_id'] as string,
    eventType: message['event_type'] as string,
    priority,
    payload: message['payload'] ?? null,
    timestamp: message['timestamp'] as string,
    context: contextOf(message),
  };
}

const isPlain = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isName = (value: unknown): value is string => typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_NAME;
