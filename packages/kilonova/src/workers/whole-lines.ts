import { Transform, type TransformCallback } from 'node:stream';

const NEWLINE = 10;
/** What is longer without an end is passed on as it is. */
const LONGEST_LINE_BYTES = 1_048_576;

/** Passes on whole lines only, and at the end what is left: several processes may then write to one output without cutting each other's lines. */
export class WholeLines extends Transform {
  #begun: Buffer[] = [];
  #begunBytes = 0;

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const isLong = this.#begunBytes + piece.length > LONGEST_LINE_BYTES;
    const end = piece.lastIndexOf(NEWLINE) + 1 || (isLong ? piece.length : 0);
    if (end === 0) {
      this.#begun.push(piece);
      this.#begunBytes += piece.length;
      return done();
    }
    const whole = Buffer.concat([...this.#begun, piece.subarray(0, end)]);
    this.#begun = end === piece.length ? [] : [piece.subarray(end)];
    this.#begunBytes = piece.length - end;
    done(null, whole);
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.concat(this.#begun));
  }
}
