import type { Class } from '../contract.ts';

export type Encoder<T> = (value: T) => unknown;
export type Decoder<T> = (plain: unknown) => T;

/** The form of `type` at a minor version, as a plain value for JSON. Compiled once. */
export function encoderFor<T extends object>(_type: Class<T>, _minor: number): Encoder<T> {
  throw new Error('not built yet');
}

/** The reverse. @throws MalformedMessage naming the path. */
export function decoderFor<T extends object>(_type: Class<T>, _minor: number): Decoder<T> {
  throw new Error('not built yet');
}
