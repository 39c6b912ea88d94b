// The ways that the messages of a topic may take: one for all, and beside it one for control messages and some for
// messages that keep their order. Each is a queue of its own, so that none waits behind the others.

export type QueueKind = 'classic' | 'quorum';

/** `ordered-0` to `ordered-<partitions - 1>`. */
export type Lane = 'control' | `ordered-${number}`;

export interface Route {
  readonly topic: string;
  /** Stated by the contract; undefined: the transport's own. */
  readonly queues?: QueueKind | undefined;
  /** Undefined: the one for all. */
  readonly lane?: Lane | undefined;
}

/** The first part of a routing key: `work`, `work.quorum`, `work.control`, `work.quorum.ordered-3`. Topics have no dots. */
export function routeWord({ topic, queues, lane }: Route): string {
  if (queues === undefined && lane === undefined) return topic;
  return [topic, queues, lane].filter((part) => part !== undefined).join('.');
}

/** A route, and the server at its end; undefined: any. */
export interface Destination extends Route {
  readonly server: string | undefined;
}

const KEY = /^([^.]+)(?:\.(classic|quorum))?(?:\.(control|ordered-\d+))?\.(?:any|to\.(.+))$/;

/** Where a routing key leads; undefined for fanouts and answers. */
export function destinationOf(key: string): Destination | undefined {
  const [, topic, queues, lane, server] = KEY.exec(key) ?? [];
  return topic === undefined ? undefined : { topic, queues: queues as QueueKind | undefined, lane: lane as Lane | undefined, server };
}

export const isOrdered = (lane: Lane | undefined): boolean => lane !== undefined && lane !== 'control';

/** These words stand where a topic's name could. */
export const isRouteWord = (word: string): boolean => /^(?:classic|quorum|control|ordered-\d+)$/.test(word);

const FNV_OFFSET = 0x81_1c_9d_c5;
const FNV_PRIME = 0x01_00_01_93;

/** The same in every process of every release (FNV-1a of the UTF-8 bytes): else two senders would disagree about order. */
export function partitionOf(orderKey: string, partitions: number): number {
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(orderKey, 'utf8')) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return (hash >>> 0) % partitions;
}
