import type { Socket } from 'node:net';

/** How bytes travel in one direction; their order stays. */
export type Way =
  | { readonly kind: 'open' }
  /** Each piece takes so long, and a random part of the jitter besides; the rate is none or in bytes a second. */
  | { readonly kind: 'slow'; readonly delayMs: number; readonly jitterMs: number; readonly bytesPerSecond?: number }
  /** As if the cable had come off: nothing arrives and nothing breaks. */
  | { readonly kind: 'stall' }
  /** As if nobody listened. */
  | { readonly kind: 'refuse' };

interface Late {
  readonly piece: Buffer;
  readonly dueAt: number;
}

/** More than this waiting, and nothing more is read. */
const HELD_BYTES = 4 * 1024 * 1024;

export class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #random: () => number;
  #way: Way = { kind: 'open' };
  #late: Late[] = [];
  #lateBytes = 0;
  #freeAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(from: Socket, to: Socket, random: () => number) {
    this.#from = from;
    this.#to = to;
    this.#random = random;
  }

  behave(way: Way): void {
    this.#way = way;
    if (way.kind === 'open') for (const late of this.#late.splice(0)) this.#write(late.piece);
    this.#pace();
    this.#schedule();
  }

  push(piece: Buffer): void {
    if (this.#way.kind === 'open' && this.#late.length === 0) {
      this.#to.write(piece);
      return;
    }
    this.#late.push({ piece, dueAt: this.#dueAt(piece.length) });
    this.#lateBytes += piece.length;
    this.#pace();
    this.#schedule();
  }

  /** No more comes; what is on its way arrives, and then its end. */
  end(): void {
    this.#ended = true;
    this.#schedule();
  }

  #dueAt(bytes: number): number {
    const now = performance.now();
    if (this.#way.kind !== 'slow') return now;
    const { delayMs, jitterMs, bytesPerSecond } = this.#way;
    this.#freeAt = Math.max(this.#freeAt, now + delayMs + jitterMs * this.#random());
    if (bytesPerSecond !== undefined) this.#freeAt += (bytes * 1_000) / bytesPerSecond;
    return this.#freeAt;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#way.kind === 'stall') return;
    const [next] = this.#late;
    if (next !== undefined) this.#timer = setTimeout(() => this.#deliver(), Math.max(0, next.dueAt - performance.now()));
    else if (this.#ended) this.#to.destroy();
  }

  #deliver(): void {
    const now = performance.now();
    while (this.#late.length > 0 && this.#late[0]!.dueAt <= now) this.#write(this.#late.shift()!.piece);
    this.#pace();
    this.#schedule();
  }

  #write(piece: Buffer): void {
    this.#lateBytes -= piece.length;
    this.#to.write(piece);
  }

  #pace(): void {
    if (this.#way.kind === 'stall' || this.#lateBytes > HELD_BYTES) this.#from.pause();
    else this.#from.resume();
  }
}
