// amqplib passes each frame through a stream per channel and a multiplexer, and writes it by itself in a later turn of
// the event loop. Here all frames of a turn leave together at its end, in one write, and those of a message are written
// straight into what leaves. The inside of amqplib is its own affair: where it does not look as expected nothing is
// replaced, and nothing is lost but the speed.
import type { Socket } from 'node:net';
import type { Channel, ChannelModel } from 'amqplib';
import { giveBack } from '../wire/lent-memory.ts';
import { FRAME_BYTES, FRAME_HEAD_BYTES, frameEnd, headRoom, writeBodyHead, writeHead, type PlainProperties } from './publish-frames.ts';

/** What amqplib uses of a channel's stream. */
interface FrameBuffer {
  write(frame: Buffer): boolean;
  end(): void;
}

interface Inside {
  readonly stream?: Socket;
  /** Without a word in its interval amqplib sends a heartbeat. */
  sentSinceLastCheck?: boolean;
  readonly frameMax?: number;
  readonly muxer?: { unpipeFrom(buffer: FrameBuffer): void };
  readonly channels?: ({ buffer?: FrameBuffer } | null)[];
}

export interface Destination {
  readonly exchange: string;
  readonly key: string;
  readonly mandatory: boolean;
}

/** Frames up to this size are copied to the others of their turn: the kernel takes one piece faster than many. */
const COPIED_BYTES = 16_384;
/** Where frames are copied to; used up front to back, then replaced, for the kernel may still have to read it. */
const SLAB_BYTES = 65_536;
/** The first of a connection, and how much larger each later one is until it has that size: most connections of a large cloud say little. */
const FIRST_SLAB_BYTES = 2_048;
const SLAB_GROWTH = 2;

export class TurnWriter {
  readonly #inside: Inside;
  readonly #stream: Socket | undefined;
  readonly #taken = new Set<Channel>();
  /** What leaves at the end of the turn, in order; the last part of it is still in the slab. */
  #parts: Buffer[] = [];
  #slab = Buffer.alloc(0);
  #from = 0;
  #to = 0;
  /** Of the parts: those whose memory is free when they have left. Parts of one body leave in order. */
  #spent = new Set<Buffer>();
  #scheduled = false;
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
    const entry = this.#inside.channels?.[numberOf(channel)];
    if (this.#stream === undefined || typeof entry?.buffer?.write !== 'function') return;
    const replaced = entry.buffer;
    entry.buffer = {
      write: (frame) => this.#add(frame),
      end: () => replaced.end(),
    };
    this.#taken.add(channel);
    channel.once('close', () => this.#taken.delete(channel));
  }

  /**
   * Publishes on a channel that was taken; false when amqplib must do it.
   *
   * @param spent give the body's memory back when it has left
   * @throws TypeError for a name above 255 bytes
   */
  publish(channel: Channel, to: Destination, properties: PlainProperties, body: Buffer, spent = false): boolean {
    const { frameMax = 0 } = this.#inside;
    if (!this.#taken.has(channel) || frameMax <= FRAME_BYTES) return false;
    const id = numberOf(channel);
    this.#reserve(headRoom(to, properties));
    const end = writeHead(this.#slab, this.#to, id, to, properties, body.length);
    this.#bytes += end - this.#to;
    this.#to = end;
    const most = frameMax - FRAME_BYTES;
    for (let from = 0; from < body.length; from += most) {
      const part = body.length <= most ? body : body.subarray(from, from + most);
      this.#reserve(FRAME_HEAD_BYTES);
      this.#to = writeBodyHead(this.#slab, this.#to, id, part.length);
      this.#append(part);
      this.#append(frameEnd);
      if (spent && from + most >= body.length) this.#spent.add(part);
    }
    this.#schedule();
    return true;
  }

  #add(frame: Buffer): boolean {
    this.#append(frame);
    this.#schedule();
    return this.#stream?.writableNeedDrain !== true;
  }

  #append(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (bytes.length > COPIED_BYTES) {
      this.#seal();
      this.#parts.push(bytes);
      return;
    }
    this.#reserve(bytes.length);
    this.#slab.set(bytes, this.#to);
    this.#to += bytes.length;
  }

  /** Makes room in the slab. */
  #reserve(bytes: number): void {
    if (this.#to + bytes <= this.#slab.length) return;
    this.#seal();
    const size = Math.min(SLAB_BYTES, Math.max(FIRST_SLAB_BYTES, this.#slab.length * SLAB_GROWTH));
    this.#slab = Buffer.allocUnsafeSlow(Math.max(size, bytes));
    this.#from = this.#to = 0;
  }

  #seal(): void {
    if (this.#to > this.#from) this.#parts.push(this.#slab.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // nextTick runs when all that this turn made ready has been done, promises included.
    process.nextTick(this.#flush);
  }

  #write(): void {
    this.#scheduled = false;
    this.#bytes = 0;
    this.#seal();
    const parts = this.#parts;
    this.#parts = [];
    const spent = this.#spent;
    if (spent.size > 0) this.#spent = new Set();
    const stream = this.#stream;
    if (stream?.writable !== true) return; // its end is told elsewhere
    this.#inside.sentSinceLastCheck = true;
    const [first] = parts;
    if (parts.length === 1 && first !== undefined) {
      stream.write(first);
      return;
    }
    stream.cork();
    for (const part of parts) {
      if (spent.has(part)) stream.write(part, () => giveBack(part));
      else stream.write(part);
    }
    stream.uncork();
  }
}

const numberOf = (channel: Channel) => (channel as unknown as { readonly ch: number }).ch;
