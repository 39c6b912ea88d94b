import type { Watcher } from './fault-proxy.ts';

/**
 * Deliveries of RabbitMQ that overtake each other on their way to a client. Held back and sent later as they were, with
 * the delivery tags that the broker gave, so that each acknowledgement still means the message it is for.
 */
export class ReorderedDeliveries {
  /** Deliveries that others overtook. */
  overtaken = 0;
  #hold: (() => Hold | undefined) | undefined;

  /** From now on each delivery is offered; what is returned says how many of its channel overtake it. */
  arm(hold: () => Hold | undefined): void {
    this.#hold = hold;
  }

  /** Those that are held go with the next that come, or when their time is over. */
  disarm(): void {
    this.#hold = undefined;
  }

  readonly watcher: Watcher = (pass) => {
    let rest: Buffer = NOTHING;
    const channels = new Map<number, Channel>();
    const channelOf = (number: number) => {
      const channel = channels.get(number) ?? new Channel(pass);
      channels.set(number, channel);
      return channel;
    };
    return (piece) => {
      rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
      let at = 0;
      const whole: Buffer[] = [];
      const flush = () => {
        if (whole.length > 0) pass(Buffer.concat(whole.splice(0)));
      };
      for (;;) {
        const frame = frameAt(rest, at);
        if (frame === undefined) break;
        at += frame.bytes.length;
        const channel = channelOf(frame.channel);
        if (!channel.collects(frame)) {
          // Frames of other kinds keep their place behind the deliveries before them.
          if (frame.type === METHOD) {
            flush();
            channel.release();
          }
          whole.push(frame.bytes);
          continue;
        }
        const delivery = channel.complete();
        if (delivery === undefined) continue;
        flush();
        const hold = this.#hold?.();
        if (hold === undefined) channel.deliver(delivery);
        else {
          this.overtaken += 1;
          channel.hold(delivery, hold);
        }
      }
      flush();
      rest = rest.subarray(at);
    };
  };
}

/** Until so many others have passed, or so much time has. */
export interface Hold {
  readonly others: number;
  readonly atMostMs: number;
}

const NOTHING = Buffer.alloc(0);
const METHOD = 1;
const HEADER = 2;
const BODY = 3;
const BASIC_DELIVER = (60 << 16) | 60;

interface Frame {
  readonly type: number;
  readonly channel: number;
  readonly bytes: Buffer;
}

/** Type, channel, size, what is in it, and an end of one byte. */
function frameAt(bytes: Buffer, at: number): Frame | undefined {
  if (bytes.length < at + 8) return undefined;
  const length = 8 + bytes.readUInt32BE(at + 3);
  if (bytes.length < at + length) return undefined;
  return { type: bytes[at]!, channel: bytes.readUInt16BE(at + 1), bytes: bytes.subarray(at, at + length) };
}

class Channel {
  readonly #pass: (piece: Buffer) => void;
  /** Frames of the delivery that is coming. */
  #frames: Buffer[] = [];
  #bodyLeft: number | undefined;
  #held: { delivery: Buffer; others: number; timer: NodeJS.Timeout }[] = [];

  constructor(pass: (piece: Buffer) => void) {
    this.#pass = pass;
  }

  /** Whether the frame belongs to a delivery; it is kept then. */
  collects({ type, bytes }: Frame): boolean {
    if (type === METHOD && bytes.readUInt32BE(7) === BASIC_DELIVER) this.#bodyLeft = undefined;
    else if (this.#frames.length === 0) return false;
    else if (type === HEADER) this.#bodyLeft = Number(bytes.readBigUInt64BE(11));
    else if (type === BODY) this.#bodyLeft! -= bytes.length - 8;
    else return false;
    this.#frames.push(Buffer.from(bytes));
    return true;
  }

  /** The delivery, once it is all there. */
  complete(): Buffer | undefined {
    if (this.#bodyLeft !== 0) return undefined;
    const delivery = Buffer.concat(this.#frames);
    this.#frames = [];
    this.#bodyLeft = undefined;
    return delivery;
  }

  deliver(delivery: Buffer): void {
    this.#pass(delivery);
    for (const held of [...this.#held]) {
      held.others -= 1;
      if (held.others <= 0) this.#let(held);
    }
  }

  hold(delivery: Buffer, { others, atMostMs }: Hold): void {
    const held = { delivery, others, timer: setTimeout(() => this.#let(held), atMostMs) };
    this.#held.push(held);
  }

  release(): void {
    for (const held of [...this.#held]) this.#let(held);
  }

  #let(held: { delivery: Buffer; timer: NodeJS.Timeout }): void {
    clearTimeout(held.timer);
    this.#held = this.#held.filter((other) => other !== held);
    this.#pass(held.delivery);
  }
}
