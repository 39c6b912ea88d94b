// Memory of large message bodies, used again. Fresh memory costs more than what is written into it: 64 KB take 3 µs where
// the last message was, and 27 µs where the system must bring pages and the collector must count them.

/** Smaller bodies are copied on their way, or lie where they arrived. */
const SMALLEST = 16_384;
const LARGEST = 1_048_576;
/** Sizes are multiples of it, so that there are few of them. */
const STEP = 32_768;
/** What is kept for the next ones, in the whole process. */
const MOST_KEPT = 8_388_608;

const shelves = new Map<number, ArrayBufferLike[]>();
const lent = new WeakSet<ArrayBufferLike>();
let kept = 0;

/** A place for that many bytes, with anything in it. Whoever forgets to give it back has only made it garbage. */
export function lend(bytes: number): Buffer {
  if (bytes <= SMALLEST || bytes > LARGEST) return Buffer.allocUnsafe(bytes);
  const size = Math.ceil(bytes / STEP) * STEP;
  const found = shelves.get(size)?.pop();
  if (found !== undefined) kept -= size;
  const memory = found ?? Buffer.allocUnsafeSlow(size).buffer;
  lent.add(memory);
  return Buffer.from(memory, 0, bytes);
}

/** Nobody reads it, or any part of it, from now on. What was not lent is left alone. */
export function giveBack({ buffer }: Buffer): void {
  if (!lent.delete(buffer) || kept + buffer.byteLength > MOST_KEPT) return;
  kept += buffer.byteLength;
  const shelf = shelves.get(buffer.byteLength);
  if (shelf === undefined) shelves.set(buffer.byteLength, [buffer]);
  else shelf.push(buffer);
}
