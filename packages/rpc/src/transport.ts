import type { Environment } from './environment.ts';
import type { RpcError } from './errors.ts';
import type { Route } from './contract/lane.ts';

/** The limits of one process on one broker. */
export interface TransportLimits {
  /** Largest message body in bytes. */
  readonly maxMessageBytes: number;
  /** Names and values of the metadata of one request, in bytes. */
  readonly maxMetadataBytes: number;
  /** Calls in flight, and those that wait for a connection. */
  readonly maxCalls: number;
  /** Casts that the broker has not confirmed yet. */
  readonly maxUnconfirmed: number;
  /** Bytes of requests that are not over: calls in flight, casts not confirmed yet. Above, calls and casts fail as Busy at once. */
  readonly maxHeldBytes: number;
  /** Casts of which a refusal is still recognised, where somebody listens to refusals; the oldest are forgotten. */
  readonly rememberedCasts: number;
  /** How long a message waits for a connection before it fails as Unreachable, and for a broker or a socket that blocks before it fails as Busy; milliseconds. */
  readonly connectWaitMs: number;
  /** How long a cast waits for the broker's confirmation; milliseconds. */
  readonly confirmWaitMs: number;
  /** For calls that state no timeout; milliseconds. */
  readonly callTimeoutMs: number;
  /** For streams that state no timeout; milliseconds. */
  readonly streamTimeoutMs: number;
  /** The caller of a call or stream that lasts is told this often that its server lives; after two silent ones it fails as ConnectionLost. Milliseconds. */
  readonly beatMs: number;
  /** How soon a server gives the first sign of life, and the least time between two, however eager the caller; milliseconds. */
  readonly firstBeatMs: number;
  /** Between attempts to reach a server that was there before the connection broke; milliseconds, with jitter. */
  readonly resendMs: number;
  /** Items in one piece of a stream. */
  readonly pieceItems: number;
  /** Bytes in one piece, but for an item that is larger by itself. */
  readonly pieceBytes: number;
  /** Pieces of one stream on their way at the same time. */
  readonly streamWindow: number;
}

/** What holds where no other limit is given. */
export const defaultLimits: TransportLimits = {
  // What a user may send in one field (64 KiB of user data) must fit beside the rest.
  maxMessageBytes: 262_144,
  maxMetadataBytes: 8_192,
  maxCalls: 10_000,
  maxUnconfirmed: 4_096,
  maxHeldBytes: 134_217_728,
  rememberedCasts: 10_000,
  connectWaitMs: 2_000,
  confirmWaitMs: 5_000,
  callTimeoutMs: 30_000,
  streamTimeoutMs: 60_000,
  beatMs: 5_000,
  firstBeatMs: 100,
  resendMs: 100,
  pieceItems: 100,
  pieceBytes: 65_536,
  streamWindow: 8,
};

/** A message as it leaves, on any transport. */
export interface OutgoingMessage {
  /** A word, like `internal`, `replies`; the transport makes the exchange's full name of it. */
  readonly exchange: string;
  readonly key: string;
  readonly body: Buffer;
  readonly correlationId?: string;
  /** Routing key on `replies` of whoever awaits the answer. */
  readonly replyTo?: string;
  /** The broker drops the message when it waited this long; whole milliseconds. */
  readonly expirationMs?: number;
  /** True when nobody to take it is a failure. */
  readonly mandatory: boolean;
  /** Its sender reads the body no more: the transport may use its memory for another when it has left. */
  readonly spent?: boolean;
}

/** A message as it arrives. Exactly one of `ack` and `requeue` ends it. */
export interface Delivery {
  /** Only to be read until the message has ended: the memory of large ones is used again. Of an answer: only while it is taken. */
  readonly body: Buffer;
  readonly correlationId: string | undefined;
  readonly replyTo: string | undefined;
  /** Validated by the broker; '' when there is none. */
  readonly userId: string;
  readonly redelivered: boolean;
  /** Aborted when it can no longer be acknowledged: the broker gives it out again. */
  readonly lost?: AbortSignal;
  /** Where it was sent, in the broker's own names; so that it can be sent again. */
  readonly origin?: { readonly exchange: string; readonly key: string };
  /** What the sender gave the message to wait, in milliseconds as text; for peers whose envelope does not state it. */
  readonly expiration?: string | undefined;
  ack(): void;
  requeue(): void;
}

/** Which messages to take. */
export type Address =
  | ({ readonly kind: 'topic'; readonly exchange: string } & Route)
  | ({ readonly kind: 'server'; readonly exchange: string; readonly server: string } & Route)
  | { readonly kind: 'fanout'; readonly exchange: string; readonly topic: string }
  | ({ readonly kind: 'group' } & Group);

/** Consumers of events that share a queue, which is there also while none of them runs. */
export interface Group {
  readonly topic: string;
  readonly group: string;
  /** Routing keys that it takes. */
  readonly keys: readonly string[];
  /** Messages that it holds. */
  readonly maxLength: number;
  /** What becomes of messages above that: the sender is refused, or the oldest are put aside. */
  readonly overflow: 'refuse' | 'drop-oldest';
  /** Without any consumer it goes after this; milliseconds, Infinity for never. */
  readonly unusedMs: number;
}

/** Takes the messages of an address until paused or closed. */
export interface Listener {
  /** Takes no new messages; those in hand can still be acknowledged until `close`. */
  pause(): Promise<void>;
  close(): Promise<void>;
}

/** Takes what comes back to a process. */
export interface Correspondent {
  /** A message in the reply queue. */
  onReply(message: Pick<Delivery, 'body' | 'correlationId' | 'userId'>): void;
  /** A `mandatory` message that nobody took. */
  onReturned(exchange: string, correlationId: string | undefined): void;
  /** Messages or answers may be lost although the connection lives; `error` says why. */
  onBroken(error: RpcError): void;
  /** After `onBroken`: messages flow again. */
  onMended(): void;
}

/** A process's one way to the broker. Services hold it, hand it to `serve` and `createClient`, and close it last. */
export interface Transport {
  readonly service: string;
  /** Stable for the process, distinct among those of its service. */
  readonly id: string;
  readonly connected: boolean;
  /** Aborted by `close`. */
  readonly closed: AbortSignal;
  /** Why no messages are taken at present: an alarm of memory or disk at the broker, or a socket that does not drain; undefined: they are. For probes. */
  readonly blocked: string | undefined;
  /** True when its queues are declared for it (it has no right to). */
  readonly steward: boolean;
  readonly environment: Environment;
  readonly limits: TransportLimits;
  /** Called at every change of `connected`; the returned function ends that. */
  onChange(listener: (connected: boolean, reason?: string) => void): () => void;
  /** Called when the broker takes messages again; the returned function ends that. */
  onUnblocked(listener: () => void): () => void;
  /** The routing key of this process's reply queue. */
  readonly replyKey: string;
  /** Hands over a message that nobody confirms; what becomes of it is told to the `Correspondent`. False when not connected. */
  send(message: OutgoingMessage): boolean;
  /**
   * Settles when the broker has the message.
   *
   * @throws Unreachable (returned, or not connected), Busy (the queue is full), NotAuthorized, ConnectionLost.
   */
  sendConfirmed(message: OutgoingMessage): Promise<void>;
  /** Who takes what comes back; there is one. */
  attach(correspondent: Correspondent): void;
  /** Keeps taking messages of the address, over reconnects, until closed. Settles when the first is in place. */
  listen(address: Address, prefetch: number, take: (delivery: Delivery) => void): Promise<Listener>;
  /** Puts a message aside, with the reason, where an operator finds it. */
  deadLetter(delivery: Delivery, topic: string, reason: string): void;
  /**
   * Processes like this one, when they lose the broker together, come back evenly over so long: the first attempt after a loss is at
   * random within it, and while no address takes connections each further one so much later. Milliseconds; 0, as at first, leaves
   * `retryBaseMs` and `retryCapMs` alone, which hold for all other attempts.
   */
  returnWithin(ms: number): void;
  /**
   * Connects anew, asking for credentials and certificates again, moves everything over, and gives the former connection
   * up when nothing is in hand that came over it, or after `renewGraceMs`. Calls in flight do not notice. For secrets that
   * were rotated; without a connection, or in process, there is nothing to do.
   *
   * @throws NotAuthorized, Unreachable, ConnectionLost; then all stays as it was.
   */
  renew(): Promise<void>;
  /** Gives up the connection; whatever is in flight fails as ConnectionLost. */
  close(): Promise<void>;
}
