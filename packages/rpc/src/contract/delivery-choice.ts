import { castFailure, type CastFailure } from '../server/cast-failure.ts';
import type { Contract, Method } from './contract.ts';
import { isOrdered, routeWord, type QueueKind, type Route } from './lane.ts';

/** What a contract may say about how its messages are kept and sent. Both sides must say the same. */
export interface DeliveryOptions {
  /**
   * The kind of its request queues; undefined: the transport's. A stated kind is part of the queues' names and routing
   * keys. Fanouts and answers keep the transport's.
   */
  readonly queues?: QueueKind;
  /**
   * true: calls wait for the broker's confirmation too, and so fail at once with Busy when their queue is full. false:
   * casts and fanouts do not wait for it; what the broker cannot place is lost without a word. Undefined: casts and
   * fanouts do, calls do not, for their answer says it all.
   */
  readonly confirm?: boolean;
  /** How many queues share the ordered messages, so how many servers can work on them at the same time; 1 to 64. Default 8. */
  readonly partitions?: number;
  /** For casts that do not say otherwise. */
  readonly failure?: CastFailure;
}

/** What holds for the messages of a contract, given or by default. */
export interface DeliveryChoice {
  readonly queues: QueueKind | undefined;
  readonly confirm: boolean | undefined;
  readonly partitions: number;
  readonly failure: CastFailure | undefined;
}

const PARTITIONS = 8;
const MAX_PARTITIONS = 64;

/** @throws TypeError naming the topic and what cannot work */
export function deliveryChoice(topic: string, { queues, confirm, partitions = PARTITIONS, failure }: DeliveryOptions = {}): DeliveryChoice {
  if (queues !== undefined && queues !== 'classic' && queues !== 'quorum')
    throw new TypeError(`delivery.queues of ${topic}: expected 'classic' or 'quorum', got ${JSON.stringify(queues)}`);
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MAX_PARTITIONS)
    throw new TypeError(`delivery.partitions of ${topic}: expected a whole number from 1 to ${MAX_PARTITIONS}, got ${partitions}`);
  if (failure !== undefined) castFailure(`delivery of ${topic}`, failure);
  return { queues, confirm, partitions, failure };
}

/** @throws TypeError when a method asks for what excludes each other */
export function checkLane(where: string, method: Method): void {
  if (method.kind !== 'call' && method.kind !== 'cast') return;
  if (method.orderedBy === undefined) return;
  if (method.priority === 'control') throw new TypeError(`method ${where}: a control message overtakes others, so it cannot be orderedBy`);
  if (method.kind === 'call' && method.retry !== undefined)
    throw new TypeError(`method ${where}: a retry could come after a later message of its key, so orderedBy and retry exclude each other`);
}

/** The routes by which the messages of contracts of one topic come. */
export function routesOf(contracts: readonly Contract[]): readonly Route[] {
  const all = new Map<string, Route>();
  for (const route of contracts.flatMap(routesOfOne)) all.set(routeWord(route), route);
  return [...all.values()];
}

function routesOfOne({ topic, methods, delivery: { queues, partitions } }: Contract): readonly Route[] {
  const directed = Object.values(methods).filter((method) => method.kind === 'call' || method.kind === 'cast');
  const control = directed.some(({ priority }) => priority === 'control');
  const ordered = directed.some(({ orderedBy }) => orderedBy !== undefined);
  return [
    { topic, queues },
    ...(control ? [{ topic, queues, lane: 'control' as const }] : []),
    ...(ordered ? Array.from({ length: partitions }, (_, partition) => ({ topic, queues, lane: `ordered-${partition}` as const })) : []),
  ];
}

/** A server's own messages keep their order in its one queue. */
export const isOfOneServer = ({ lane }: Route): boolean => !isOrdered(lane);
