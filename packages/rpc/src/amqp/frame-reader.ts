// amqplib makes an object of each frame and joins all that has arrived anew with each read. Here the three frames of a
// delivery are read in place, and a large body is put together as its parts come. All other frames, and those of channels
// that did not ask, still go to amqplib one by one. Its inside is its own affair: where it does not look as expected
// nothing is replaced, and nothing is lost but the speed.
import type { Socket } from 'node:net';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { ArrivedMessage, isDelivery } from './arrived-message.ts';
import { FRAME_HEAD_BYTES } from './publish-frames.ts';

interface Inside {
  readonly stream?: Socket;
  readonly channels?: unknown;
  rest?: Buffer;
  recvSinceLastCheck?: boolean;
  readonly maxFrameSize?: number;
  recvFrame?(): unknown;
}

interface BodyPart {
  readonly message: ArrivedMessage;
  readonly channel: number;
  left: number;
}

type Take = (message: ConsumeMessage) => void;

const METHOD = 1;
const HEADER = 2;
const BODY = 3;
const FRAME_END = 0xce;
const NOTHING = Buffer.alloc(0);

export class FrameReader {
  readonly #inside: Inside;
  /** amqplib's own; undefined where it does not look as expected. */
  readonly #decode: (() => unknown) | undefined;
  readonly #takers = new Map<number, Take>();
  /** What has arrived, and how far it was read. */
  #bytes: Buffer = NOTHING;
  #at = 0;
  /** The message whose frames are coming; the broker does not mix those of several on one channel. */
  readonly #coming = new Map<number, ArrivedMessage>();
  /** The body frame of which only a part is here. */
  #partial: BodyPart | undefined;

  constructor(model: ChannelModel) {
    this.#inside = model.connection as unknown as Inside;
    const { stream, rest, recvFrame, maxFrameSize } = this.#inside;
    const known = typeof stream?.read === 'function' && Buffer.isBuffer(rest) && typeof maxFrameSize === 'number';
    if (!known || typeof recvFrame !== 'function') return;
    this.#decode = recvFrame.bind(this.#inside);
    this.#inside.recvFrame = () => this.#next();
  }

  /** From now on the channel's deliveries are given to `take`, not to amqplib's consumer; where that cannot be, nothing happens. */
  take(channel: Channel, take: Take): void {
    if (this.#decode === undefined) return;
    const { ch } = channel as unknown as { readonly ch: number };
    this.#takers.set(ch, take);
    channel.once('close', () => {
      this.#takers.delete(ch);
      this.#coming.delete(ch);
    });
  }

  /** What amqplib asks for: a frame that is its own, or false when there is none before more arrives. */
  #next(): unknown {
    for (;;) {
      const frame = this.#partial === undefined ? this.#frame() : this.#fill(this.#partial);
      if (frame === 'taken') continue;
      if (frame !== 'more') return frame;
      const { stream } = this.#inside;
      const bytes = stream?.read() as Buffer | null | undefined;
      if (bytes === null || bytes === undefined) return false;
      this.#inside.recvSinceLastCheck = true;
      const left = this.#inside.rest as Buffer; // from before we began
      if (left.length > 0) this.#inside.rest = NOTHING;
      const unread = left.length > 0 ? left : this.#bytes.subarray(this.#at);
      this.#bytes = unread.length === 0 ? bytes : Buffer.concat([unread, bytes]);
      this.#at = 0;
    }
  }

  /** Reads one frame. @throws Error when the stream is no longer AMQP */
  #frame(): unknown {
    const bytes = this.#bytes;
    const at = this.#at;
    if (bytes.length - at < FRAME_HEAD_BYTES) return 'more';
    const type = bytes[at];
    const channel = bytes.readUInt16BE(at + 1);
    const size = bytes.readUInt32BE(at + 3);
    const { maxFrameSize = 0 } = this.#inside;
    if (maxFrameSize > 0 && size > maxFrameSize) throw new Error(`a frame of ${size} bytes, the limit is ${maxFrameSize}`);
    const payload = at + FRAME_HEAD_BYTES;
    const message = type === BODY ? this.#coming.get(channel) : undefined;
    const end = payload + size;
    if (bytes.length <= end) {
      if (message === undefined) return 'more';
      this.#partial = { message, channel, left: size };
      this.#at = payload;
      return this.#fill(this.#partial);
    }
    if (bytes[end] !== FRAME_END) throw new Error('a frame without its end');
    this.#at = end + 1;
    if (message !== undefined) {
      message.add(bytes.subarray(payload, end));
      return this.#advance(channel, message);
    }
    const take = this.#takers.get(channel);
    if (take !== undefined) {
      if (type === METHOD && isDelivery(bytes, payload)) {
        this.#coming.set(channel, new ArrivedMessage(bytes.subarray(at, end + 1), this.#decoded));
        return 'taken';
      }
      const begun = type === HEADER ? this.#coming.get(channel) : undefined;
      if (begun !== undefined) {
        begun.begin(bytes.subarray(at, end + 1));
        return this.#advance(channel, begun);
      }
    }
    return this.#decoded(bytes.subarray(at, end + 1));
  }

  /** A body frame as far as it is here. */
  #fill(partial: BodyPart): unknown {
    const bytes = this.#bytes;
    const end = Math.min(bytes.length, this.#at + partial.left);
    if (end > this.#at) {
      partial.message.add(bytes.subarray(this.#at, end));
      partial.left -= end - this.#at;
      this.#at = end;
    }
    if (partial.left > 0 || this.#at >= bytes.length) return 'more';
    if (bytes[this.#at] !== FRAME_END) throw new Error('a frame without its end');
    this.#at++;
    this.#partial = undefined;
    return this.#advance(partial.channel, partial.message);
  }

  #advance(channel: number, message: ArrivedMessage): 'taken' {
    if (message.complete) {
      this.#coming.delete(channel);
      this.#takers.get(channel)?.(message);
    }
    return 'taken';
  }

  /** By amqplib. */
  readonly #decoded = (frame: Buffer): { readonly fields: unknown } => {
    this.#inside.rest = frame;
    return this.#decode?.() as { readonly fields: unknown };
  };
}
