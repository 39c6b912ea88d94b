import type { PowerState } from '@kilonova/objects';
import type { Order, Outcome } from './order.ts';

/** An order and what became of it. */
export interface Operation {
  readonly operationId: string;
  readonly instanceUuid: string;
  readonly generation: number;
  /** Null once it ended: only its outcome is remembered. */
  order: Order | null;
  /** Null while it waits or runs. */
  outcome: Outcome | null;
  /** Whether the conductor committed the outcome. */
  settled: boolean;
}

/** What the host remembers of an instance. Without a domain and without anything open it is a tombstone. */
export interface Instance {
  readonly uuid: string;
  /** The highest that any order named. */
  generation: number;
  /** Everything up to this generation was ordered to be removed; -1 when nothing was. */
  removedGeneration: number;
  /** Spawns that were taken back, perhaps before they came. */
  undone: string[];
  /** Whether there may be a domain. */
  present: boolean;
  /** After the last order that ended. */
  power: PowerState;
  /** When it was last heard of; milliseconds since the epoch. */
  touchedAt: number;
  /** In order of arrival. */
  readonly operations: Map<string, Operation>;
}

export const newInstance = (uuid: string, touchedAt: number): Instance => ({
  uuid,
  generation: 0,
  removedGeneration: -1,
  undone: [],
  present: false,
  power: 0,
  touchedAt,
  operations: new Map(),
});

/** Why an order must not be carried out any more; undefined when it may. */
export function refusalOf(instance: Instance, order: Order): string | undefined {
  // A removal reaches only domains up to its generation, so it is never too late.
  if (order.verb === 'remove') return undefined;
  if (order.verb === 'spawn' && instance.undone.includes(order.operationId)) return 'the spawn was taken back';
  if (order.generation <= instance.removedGeneration) {
    return `generation ${order.generation} of the instance was removed from this host`;
  }
  if (order.generation < instance.generation) {
    return `the order is for generation ${order.generation}, this host knows generation ${instance.generation}`;
  }
  return undefined;
}
