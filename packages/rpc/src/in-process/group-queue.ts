import type { Clock } from '../environment.ts';
import { EVENTS, eventKeys } from '../notifications/envelope.ts';
import type { Group } from '../transport.ts';
import { MemoryQueue, type StoredMessage } from './queue.ts';

/** The queue of a group of consumers: it stays when the last one leaves, and has bounds of its own. */
export class GroupQueue extends MemoryQueue {
  readonly #group: Group;
  /** Of all that ever joined: as on RabbitMQ, nobody takes one away. */
  readonly #keys: Set<string>;
  readonly #putAside: (body: Buffer, userId: string) => void;

  constructor(group: Group, clock: Clock, soon: (act: () => void) => void, putAside: (body: Buffer, userId: string) => void) {
    super({ exchange: EVENTS, key: eventKeys.group(group.topic, group.group), sharing: 'competing' }, clock, soon, () => undefined);
    this.#group = group;
    this.#keys = new Set(group.keys);
    this.#putAside = putAside;
  }

  /** @throws TypeError when the queue is there with other bounds */
  join({ topic, group, keys, maxLength, overflow, unusedMs }: Group): void {
    const own = this.#group;
    if (maxLength !== own.maxLength || overflow !== own.overflow || unusedMs !== own.unusedMs)
      throw new TypeError(`group ${group} of ${topic} exists with other options`);
    for (const key of keys) this.#keys.add(key);
  }

  override matches(exchange: string, key: string): boolean {
    return exchange === EVENTS && (key === this.key || this.#keys.has(key));
  }

  override put(message: Omit<StoredMessage, 'arrivedAt' | 'redelivered'>): boolean {
    const { maxLength, overflow } = this.#group;
    if (this.length >= maxLength) {
      if (overflow === 'refuse') return false;
      const oldest = this.takeOldest();
      if (oldest !== undefined) this.#putAside(oldest.body, oldest.userId);
    }
    return super.put(message);
  }
}
