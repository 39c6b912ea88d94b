// One acknowledgement for all that was done in a turn of the event loop, which spares the broker a good part of its work
// for small messages. "All up to N" is said only where every delivery up to N has ended; the rest are named singly.

/** How a channel acknowledges. */
export interface AckChannel {
  ack(tag: number, allUpTo: boolean): void;
}

export class AckBatch {
  readonly #channel: AckChannel;
  /** All below have ended. Tags of a channel with one consumer are 1, 2, 3 and so on. */
  #next = 1;
  /** Ended, beyond `next`. */
  readonly #ended = new Set<number>();
  #batch: number[] = [];
  readonly #flush = () => this.flush();

  constructor(channel: AckChannel) {
    this.#channel = channel;
  }

  /** The message was dealt with; the broker is told at the end of the turn. */
  ack(tag: number): void {
    this.#ended.add(tag);
    if (this.#batch.push(tag) === 1) process.nextTick(this.#flush);
  }

  /** The message ended in another way, of which the broker was told, after a flush. */
  note(tag: number): void {
    this.#ended.add(tag);
    this.#advance();
  }

  flush(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#advance();
    const below = this.#next;
    let last = 0;
    for (const tag of batch) if (tag < below && tag > last) last = tag;
    if (last > 0) this.#channel.ack(last, true);
    for (const tag of batch) if (tag > last) this.#channel.ack(tag, false);
  }

  #advance(): void {
    while (this.#ended.delete(this.#next)) this.#next++;
  }
}
