import type { PowerState } from '@kilonova/objects';
import { newInstance, type Instance, type Operation } from './instance.ts';
import type { Order, Outcome } from './order.ts';

/** Version of the records below; another one is refused. */
const FORMAT = 1;

/** What the journal holds. Applying the records in order gives the ledger. */
export type LedgerRecord =
  | { readonly kind: 'journal'; readonly format: number; readonly host: string; readonly lastNumber: number }
  | { readonly kind: 'accepted'; readonly order: Order }
  | { readonly kind: 'finished'; readonly operation: OperationName; readonly outcome: Outcome; readonly present: boolean }
  | { readonly kind: 'settled'; readonly operation: OperationName }
  | { readonly kind: 'reissued'; readonly operation: OperationName; readonly number: number; readonly power: PowerState }
  | { readonly kind: 'forgotten'; readonly uuid: string }
  | { readonly kind: 'instance'; readonly instance: Omit<Instance, 'operations'>; readonly operations: readonly Operation[] };

type OperationName = Pick<Operation, 'operationId' | 'instanceUuid'>;

export interface LedgerLimits {
  /** Ended and settled operations, and undone spawns, remembered per instance. */
  readonly rememberedPerInstance: number;
  readonly tombstoneMs: number;
  readonly maxTombstones: number;
}

/**
 * What this host knows of orders and instances. It changes only through `apply`, at once, and the same record goes to
 * the journal; the caller waits for the journal before the world may see a consequence.
 */
export class Ledger {
  readonly #host: string;
  readonly #limits: LedgerLimits;
  readonly #instances = new Map<string, Instance>();
  readonly #operations = new Map<string, Operation>();
  /** Ended, and not yet committed by the conductor. */
  readonly #unreported = new Map<string, Operation>();
  #lastNumber = 0;

  constructor(host: string, limits: LedgerLimits) {
    this.#host = host;
    this.#limits = limits;
  }

  instance(uuid: string): Instance | undefined {
    return this.#instances.get(uuid);
  }

  operation(operationId: string): Operation | undefined {
    return this.#operations.get(operationId);
  }

  get unreported(): ReadonlyMap<string, Operation> {
    return this.#unreported;
  }

  /** Orders that neither ended nor were given up, in order of arrival per instance. */
  *unfinished(): Iterable<Order> {
    for (const { order } of this.#operations.values()) if (order !== null) yield order;
  }

  /**
   * Above every earlier number. It is at least the time in seconds, so that the conductor does not take a host that lost
   * its journal for an old echo of itself.
   */
  nextNumber(nowMs: number): number {
    return Math.max(this.#lastNumber + 1, Math.floor(nowMs / 1_000));
  }

  header(): LedgerRecord {
    return { kind: 'journal', format: FORMAT, host: this.#host, lastNumber: this.#lastNumber };
  }

  *snapshot(): Iterable<LedgerRecord> {
    yield this.header();
    for (const { operations, ...instance } of this.#instances.values()) {
      yield { kind: 'instance', instance, operations: [...operations.values()] };
    }
  }

  /** Tombstones that are too old or too many, oldest first. */
  forgettable(nowMs: number): readonly string[] {
    const tombstones = [...this.#instances.values()].filter(isTombstone).toSorted((a, b) => a.touchedAt - b.touchedAt);
    const tooMany = tombstones.length - this.#limits.maxTombstones;
    return tombstones
      .filter(({ touchedAt }, index) => index < tooMany || nowMs - touchedAt > this.#limits.tombstoneMs)
      .map(({ uuid }) => uuid);
  }

  /** @throws Error when the journal is another host's or of another format. */
  apply(record: LedgerRecord): void {
    switch (record.kind) {
      case 'journal':
        if (record.format !== FORMAT) throw new Error(`the journal has format ${record.format}, this release reads ${FORMAT}`);
        if (record.host !== this.#host) throw new Error(`the journal belongs to host ${record.host}, this agent is for ${this.#host}`);
        this.#lastNumber = Math.max(this.#lastNumber, record.lastNumber);
        return;
      case 'accepted':
        return this.#accept(record.order);
      case 'finished':
        return this.#finish(record.operation, record.outcome, record.present);
      case 'settled':
        return this.#settle(record.operation);
      case 'reissued':
        return this.#reissue(record.operation, record.number, record.power);
      case 'forgotten':
        return this.#forget(record.uuid);
      case 'instance':
        return this.#restore(record);
    }
  }

  #accept(order: Order): void {
    const instance = this.#instances.get(order.instanceUuid) ?? newInstance(order.instanceUuid, order.acceptedAt);
    this.#instances.set(instance.uuid, instance);
    instance.touchedAt = order.acceptedAt;
    instance.generation = Math.max(instance.generation, order.generation);
    if (order.verb === 'remove') {
      instance.removedGeneration = Math.max(instance.removedGeneration, order.generation);
      if (order.undoes !== null) instance.undone = [...instance.undone, order.undoes].slice(-this.#limits.rememberedPerInstance);
    }
    this.#remember(instance, {
      operationId: order.operationId,
      instanceUuid: order.instanceUuid,
      generation: order.generation,
      order,
      outcome: null,
      settled: false,
    });
  }

  #finish(name: OperationName, outcome: Outcome, present: boolean): void {
    const { instance, operation } = this.#find(name);
    operation.order = null;
    operation.outcome = outcome;
    instance.present = present;
    instance.power = outcome.power;
    instance.touchedAt = outcome.finishedAt;
    this.#report(operation, outcome.number);
  }

  #reissue(name: OperationName, number: number, power: PowerState): void {
    const { operation } = this.#find(name);
    if (operation.outcome === null) return;
    operation.outcome = { ...operation.outcome, number, power };
    operation.settled = false;
    this.#report(operation, number);
  }

  #report(operation: Operation, number: number): void {
    this.#lastNumber = Math.max(this.#lastNumber, number);
    this.#unreported.delete(operation.operationId);
    this.#unreported.set(operation.operationId, operation);
  }

  #settle(name: OperationName): void {
    const { instance, operation } = this.#find(name);
    operation.settled = true;
    this.#unreported.delete(operation.operationId);
    const settled = [...instance.operations.values()].filter((other) => other.settled);
    for (const { operationId } of settled.slice(0, -this.#limits.rememberedPerInstance)) {
      instance.operations.delete(operationId);
      this.#operations.delete(operationId);
    }
  }

  #forget(uuid: string): void {
    for (const operationId of this.#instances.get(uuid)?.operations.keys() ?? []) {
      this.#operations.delete(operationId);
      this.#unreported.delete(operationId);
    }
    this.#instances.delete(uuid);
  }

  #restore({ instance, operations }: LedgerRecord & { readonly kind: 'instance' }): void {
    this.#forget(instance.uuid);
    const restored: Instance = { ...instance, operations: new Map() };
    this.#instances.set(restored.uuid, restored);
    for (const operation of operations) this.#remember(restored, operation);
    for (const operation of operations)
      if (operation.outcome !== null && !operation.settled) this.#report(operation, operation.outcome.number);
  }

  #remember(instance: Instance, operation: Operation): void {
    // A removal that failed may be ordered again by the same id: it then stands at the end, and is open again.
    instance.operations.delete(operation.operationId);
    this.#operations.delete(operation.operationId);
    this.#unreported.delete(operation.operationId);
    instance.operations.set(operation.operationId, operation);
    this.#operations.set(operation.operationId, operation);
  }

  /** Records of one operation follow each other, so a missing one is a broken assumption. */
  #find({ operationId, instanceUuid }: OperationName): { instance: Instance; operation: Operation } {
    const instance = this.#instances.get(instanceUuid);
    const operation = instance?.operations.get(operationId);
    if (instance === undefined || operation === undefined)
      throw new Error(`operation ${operationId} of instance ${instanceUuid} is not in the ledger`);
    return { instance, operation };
  }
}

const isTombstone = (instance: Instance): boolean =>
  !instance.present && [...instance.operations.values()].every((operation) => operation.settled);
