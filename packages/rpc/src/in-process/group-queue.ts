import type { Clock } from '../environment.ts';
import { EVENTS, eventKeys } from '../notifications/envelope.ts';
import type { Group } from '../transport.ts';
import { MemoryQueue, type StoredMessage } from './queue.ts';

/** The queue of a group of consumers: it stays when the last one leaves, and has bounds of its own. */
export class GroupQueue extends MemoryQueue {
  readonly #group: Group;
  readonly #putAside: (body: Buffer, userId: string) => void;

  constructor(group: Group, clock: Clock, soon: (act: () => void) => void, putAside: (body: Buffer, userId: string) => void) {
    super({ exchange: EVENTS, key: eventKeys.group(group.topic, group.group), sharing: 'competing' }, clock, soon, () => undefined);
    this.#group = group;
    this.#putAside = putAside;
  }

  override matches(exchange: string, key: string): boolean {
    return exchange === EVENTS && (key === this.key || this.#group.keys.includes(key));
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
