// The envelopes: every message body is one JSON object, with long texts and bytes beside it (attachments.ts); the same
// on every transport.
import { pack, unpack, type Attachment } from './attachments.ts';
import { kindOf, malformed } from '../codec/fields.ts';
import { parseObject } from '../codec/codec.ts';
import {
  Busy,
  ConnectionLost,
  DeadlineExceeded,
  MalformedMessage,
  MessageTooLarge,
  NoSuchMethod,
  NotAuthorized,
  RemoteError,
  type RpcError,
  ServiceError,
  Unreachable,
  UnsupportedVersion,
  type ErrorDetails,
} from '../errors.ts';
import type { Metadata } from '../interceptors.ts';

/** The exchange word of all answers. */
export const REPLIES = 'replies';

export const addressKeys = {
  /** `route`: a topic, or what `routeWord` makes of it. */
  topic: (route: string) => `${route}.any`,
  server: (route: string, server: string) => `${route}.to.${server}`,
  fanout: (topic: string) => `${topic}.all`,
  reply: (service: string, id: string) => `reply.${service}.${id}`,
} as const;

const SERVER_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/;

/** Server names become parts of queue names, and of the anchored patterns of permissions. @throws TypeError */
export function checkServerName(name: string): void {
  if (!SERVER_NAME.test(name)) {
    throw new TypeError(`server name ${JSON.stringify(name)}: expected at most 128 of letters, digits, ".", "_" and "-"`);
  }
}

/** Answers go nowhere else, whatever a sender asks for. */
export const isReplyKey = (key: string | undefined): key is string => key?.startsWith('reply.') === true;

export type RequestKind = 'call' | 'cast' | 'fanout' | 'stream' | 'event';

/** Whether somebody waits for what comes of it. */
export const isAwaited = (kind: RequestKind): boolean => kind === 'call' || kind === 'stream';

export interface RequestEnvelope {
  readonly kind: RequestKind;
  readonly topic: string;
  /** Of the contract; absent when it has none. */
  readonly namespace?: string;
  /** The one server that it is for; absent when any, or all, may take it. */
  readonly server?: string;
  readonly method: string;
  /** Of the sender's form, MAJOR.MINOR. */
  readonly version: string;
  readonly requestId: string;
  /** What was left of the deadline at the sender. */
  readonly timeoutMs?: number;
  /** The caller wants a sign of life this often while it waits; absent: none. Servers before 0.2 ignore it. */
  readonly beatMs?: number;
  /** Texts for the handler beside the content: trace context and the like. Servers before 0.2 ignore it. */
  readonly metadata?: Metadata;
  /** Requests with the same one are handled one after the other, as they come; absent: in any order. */
  readonly orderKey?: string;
  readonly body: unknown;
}

/** A request as it came. */
export interface ArrivedRequest extends RequestEnvelope {
  /** What came beside the JSON, for the decoder of the body. */
  readonly attachments: readonly Buffer[];
}

interface WireError {
  /** `service`: the application's. `rpc`: one of this package's. `unknown`: anything else. */
  readonly kind: 'service' | 'rpc' | 'unknown';
  readonly code: string;
  readonly message: string;
  readonly details?: ErrorDetails;
  /** Where a handler threw it, if its server sends stacks. */
  readonly stack?: string;
}

/** A piece of a stream, or its end. `run` names this run of the handler; credits go to `from` under it. */
export interface Piece {
  readonly run: string;
  readonly from: string;
  readonly seq: number;
  readonly items: readonly unknown[];
  readonly end: boolean;
}

export type ReplyEnvelope =
  | { readonly kind: 'answer'; readonly body: unknown; readonly attachments: readonly Buffer[] }
  | { readonly kind: 'error'; readonly error: RpcError }
  | { readonly kind: 'piece'; readonly piece: Piece }
  /** To the sender of a stream: pieces consumed so far, or -1 to stop. */
  | { readonly kind: 'credit'; readonly consumed: number }
  /** To a caller that asked for it: its call is being worked on by the process with this reply key. */
  | { readonly kind: 'beat'; readonly from: string }
  /** To whoever sent a beat: nobody waits any longer. */
  | { readonly kind: 'cancel' };

/** For what is sent and for what comes, there before it is parsed: a large message would hold up the event loop. @throws MessageTooLarge */
export function checkSize(bytes: number, limit: number, what: string): void {
  if (bytes > limit)
    throw new MessageTooLarge(`${what} is ${bytes} bytes, the limit is ${limit}: send less, or stream it`, { bytes, limit });
}

/** @throws MessageTooLarge */
export function toBytes(text: string, limit: number, what: string, attachments: readonly Attachment[] = []): Buffer {
  const bytes = pack(text, attachments);
  checkSize(bytes.length, limit, what);
  return bytes;
}

const KINDS: ReadonlySet<unknown> = new Set<RequestKind>(['call', 'cast', 'fanout', 'stream', 'event']);

/** @throws MalformedMessage naming the path */
export function readRequest(bytes: Buffer): ArrivedRequest {
  const { json, attachments } = unpack(bytes);
  const envelope = parseObject(json);
  for (const name of ['topic', 'method', 'version', 'requestId'] as const) {
    if (typeof envelope[name] !== 'string') throw malformed(name, 'string', envelope[name]);
  }
  if (!KINDS.has(envelope['kind'])) throw malformed('kind', [...KINDS].join(', '), envelope['kind']);
  const { namespace, server, timeoutMs, beatMs, metadata, orderKey } = envelope;
  if (namespace !== undefined && typeof namespace !== 'string') throw malformed('namespace', 'string', namespace);
  if (server !== undefined && typeof server !== 'string') throw malformed('server', 'string', server);
  if (timeoutMs !== undefined && typeof timeoutMs !== 'number') throw malformed('timeoutMs', 'number', timeoutMs);
  if (beatMs !== undefined && typeof beatMs !== 'number') throw malformed('beatMs', 'number', beatMs);
  if (orderKey !== undefined && typeof orderKey !== 'string') throw malformed('orderKey', 'string', orderKey);
  if (metadata !== undefined) checkTexts('metadata', metadata);
  envelope['attachments'] = attachments; // whatever a sender may have put there
  return envelope as unknown as ArrivedRequest;
}

function checkTexts(path: string, value: unknown): void {
  if (kindOf(value) !== 'object') throw malformed(path, 'object of strings', value);
  for (const [name, text] of Object.entries(value as object)) {
    if (typeof text !== 'string') throw malformed(`${path}.${name}`, 'string', text);
  }
}

/** The body is JSON already. */
export const answerText = (body: string) => `{"body":${body}}`;
export const errorText = (error: WireError) => JSON.stringify({ error });
export const creditText = (consumed: number) => JSON.stringify({ credit: consumed });
export const beatText = (from: string) => JSON.stringify({ beat: from });
export const cancelText = () => JSON.stringify({ cancel: true });
const COMMA = Buffer.from(',');
const PIECE_END = Buffer.from(']}');
/** The items are JSON already: they were measured one by one. */
export function pieceOf({ run, from, seq, end }: Omit<Piece, 'items'>, items: readonly Buffer[]): Buffer {
  const head = `{"run":${JSON.stringify(run)},"from":${JSON.stringify(from)},"seq":${seq},"end":${end},"items":[`;
  return Buffer.concat([Buffer.from(head), ...items.flatMap((item, index) => (index === 0 ? [item] : [COMMA, item])), PIECE_END]);
}

/** @throws MalformedMessage */
export function readReply(bytes: Buffer): ReplyEnvelope {
  const { json, attachments } = unpack(bytes);
  const envelope = parseObject(json);
  if ('body' in envelope) return { kind: 'answer', body: envelope['body'], attachments };
  if (typeof envelope['error'] === 'object' && envelope['error'] !== null) return { kind: 'error', error: fromWire(envelope['error']) };
  if (Number.isInteger(envelope['credit'])) return { kind: 'credit', consumed: envelope['credit'] as number };
  if (typeof envelope['beat'] === 'string') return { kind: 'beat', from: envelope['beat'] };
  if (envelope['cancel'] === true) return { kind: 'cancel' };
  const { run, from, seq, items, end } = envelope;
  if (typeof run === 'string' && typeof from === 'string' && Number.isInteger(seq) && Array.isArray(items) && typeof end === 'boolean') {
    return { kind: 'piece', piece: { run, from, seq: seq as number, items, end } };
  }
  throw new MalformedMessage('the answer has neither body, error nor piece', { path: '', expected: 'body, error or piece' });
}

/** An error of this package's own making, on its way to the caller. */
export const ownError = (error: RpcError): WireError => ({
  kind: 'rpc',
  code: error.code,
  message: error.message,
  ...(error.details === undefined ? {} : { details: error.details }),
});

/**
 * What a handler threw, on its way to the caller. Errors of the handler's own calls arrive as RemoteError, for
 * "unreachable, had no effect" said of another service would be wrong of this one; only a deadline is the caller's own.
 *
 * @param stackLength of the stack that goes with it, at most; 0: none. What a caller may not do is never told in detail.
 */
export function handlerError(thrown: unknown, stackLength: number): WireError {
  if (thrown instanceof DeadlineExceeded) return ownError(thrown);
  if (!(thrown instanceof Error)) return { kind: 'unknown', code: 'Error', message: `a ${kindOf(thrown)} was thrown` };
  const error = thrownError(thrown);
  if (stackLength === 0 || thrown.stack === undefined || thrown instanceof NotAuthorized) return error;
  return { ...error, stack: thrown.stack.slice(0, stackLength) };
}

function thrownError(thrown: Error): WireError {
  if (thrown instanceof ServiceError) return { ...ownError(thrown), kind: 'service' };
  if (thrown instanceof RemoteError) return { kind: 'unknown', code: thrown.remoteName, message: thrown.message };
  return { kind: 'unknown', code: thrown.name, message: thrown.message };
}

const OWN = {
  Unreachable,
  DeadlineExceeded,
  UnsupportedVersion,
  NoSuchMethod,
  Busy,
  ConnectionLost,
  MalformedMessage,
  NotAuthorized,
  MessageTooLarge,
} as const;

function fromWire(error: Partial<WireError>): RpcError {
  const code = String(error.code ?? 'Error');
  const message = String(error.message ?? '');
  const options = typeof error.stack === 'string' ? { remoteStack: error.stack } : undefined;
  if (error.kind === 'service') return new ServiceError(code, message, error.details, options);
  if (error.kind === 'rpc' && Object.hasOwn(OWN, code)) return new OWN[code as keyof typeof OWN](message, error.details);
  return new RemoteError(code, message, options);
}
