// amqplib passes each frame through a stream per channel and a multiplexer, and writes it by itself in a later turn of
// the event loop. Here all frames of a turn leave together at its end, in one write. The inside of amqplib is its own
// affair: where it does not look as expected nothing is replaced, and nothing is lost but the speed.
import type { Socket } from 'node:net';
import type { Channel, ChannelModel } from 'amqplib';

/** What amqplib uses of a channel's stream. */
interface FrameBuffer {
  write(frame: Buffer): boolean;
  end(): void;
}

interface Inside {
  readonly stream?: Socket;
  readonly muxer?: { unpipeFrom(buffer: FrameBuffer): void };
  readonly channels?: ({ buffer?: FrameBuffer } | null)[];
}

/** Frames up to this size are copied into one buffer; the kernel takes one faster than many. */
const COPIED_BYTES = 4_096;

export class TurnWriter {
  readonly #inside: Inside;
  readonly #stream: Socket | undefined;
  #frames: Buffer[] = [];
  readonly #flush = () => this.#write();

  readonly #limit: number;
  readonly #congestion: string;
  readonly #onDrained: () => void;
  /** Of this turn's frames. */
  #bytes = 0;
  /** `congested` was said, and its end is to be told. */
  #said = false;

  /** @param limit bytes that may wait for the socket @param onDrained called when there are none any more, after `congested` */
  constructor(model: ChannelModel, limit: number, onDrained: () => void) {
    this.#inside = model.connection as unknown as Inside;
    const { stream, muxer, channels } = this.#inside;
    this.#stream = typeof muxer?.unpipeFrom === 'function' && Array.isArray(channels) ? stream : undefined;
    // The stream tells when it has drained only if it had more than this.
    this.#limit = Math.max(limit, this.#stream?.writableHighWaterMark ?? 0);
    this.#congestion = `more than ${this.#limit} bytes wait for the socket, the limit (maxPendingBytes)`;
    this.#onDrained = onDrained;
    this.#stream?.on('drain', () => this.#drained());
  }

  /** Why no more should be written; undefined: it may be. */
  get congested(): string | undefined {
    if (this.#stream === undefined || this.#bytes + this.#stream.writableLength <= this.#limit) return undefined;
    this.#said = true;
    return this.#congestion;
  }

  #drained(): void {
    if (!this.#said || this.congested !== undefined) return;
    this.#said = false;
    this.#onDrained();
  }

  /** From now on the channel's frames leave at the end of the turn. It must be open, with nothing on its way out. */
  take(channel: Channel): void {
    const entry = this.#inside.channels?.[(channel as unknown as { readonly ch: number }).ch];
    if (this.#stream === undefined || typeof entry?.buffer?.write !== 'function') return;
    const replaced = entry.buffer;
    entry.buffer = {
      write: (frame) => this.#add(frame),
      end: () => replaced.end(),
    };
  }

  #add(frame: Buffer): boolean {
    // nextTick runs when all that this turn made ready has been done, promises included.
    this.#bytes += frame.length;
    if (this.#frames.push(frame) === 1) process.nextTick(this.#flush);
    return this.#stream?.writableNeedDrain !== true;
  }

  #write(): void {
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    const stream = this.#stream;
    if (stream?.writable !== true) return; // its end is told elsewhere
    const [first] = frames;
    if (frames.length === 1 && first !== undefined) {
      stream.write(first);
      return;
    }
    stream.cork();
    for (let from = 0; from < frames.length;) {
      let to = from;
      while (to < frames.length && (frames[to] as Buffer).length <= COPIED_BYTES) to++;
      if (to > from) stream.write(Buffer.concat(frames.slice(from, to)));
      else stream.write(frames[to++] as Buffer);
      from = to;
    }
    stream.uncork();
  }
}
