import { Transform, type TransformCallback } from 'node:stream';

const NEWLINE = 10;

/** Passes on whole lines only, and at the end what is left: several processes may then write to one output without cutting each other's lines. */
export class WholeLines extends Transform {
  #begun: Buffer[] = [];

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const end = piece.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      this.#begun.push(piece);
      return done();
    }
    const whole = Buffer.concat([...this.#begun, piece.subarray(0, end)]);
    this.#begun = end === piece.length ? [] : [piece.subarray(end)];
    done(null, whole);
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.concat(this.#begun));
  }
}
