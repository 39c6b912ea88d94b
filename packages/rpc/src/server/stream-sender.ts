import { Calls } from '../client/calls.ts';
import { MessageTooLarge } from '../errors.ts';
import type { Transport } from '../transport.ts';
import { checkSize, pieceOf } from '../wire/wire.ts';

interface Target {
  readonly replyTo: string;
  readonly correlationId: string;
  readonly signal: AbortSignal;
}

/** Nobody reads on: there is nobody to tell, either. */
export class ReaderLeft extends Error {}

/** Room for the piece's own fields beside its items. */
const FRAME_BYTES = 512;

/**
 * Sends batches of items, which `write` makes JSON, as pieces of at most `pieceItems` items and `pieceBytes`, never more than
 * `streamWindow` ahead of the reader.
 *
 * @throws the signal's reason at the deadline; ReaderLeft when the reader is gone; MessageTooLarge for one item
 *   that fits in no message; whatever the batches throw.
 */
export async function sendStream<Item>(
  transport: Transport,
  target: Target,
  batches: AsyncIterable<readonly Item[]> | Iterable<readonly Item[]>,
  write: (item: Item) => string,
): Promise<void> {
  const { limits, environment } = transport;
  const calls = Calls.of(transport);
  const run = environment.random.uuid();
  const roomBytes = limits.maxMessageBytes - FRAME_BYTES;
  const pieceBytes = Math.min(limits.pieceBytes - FRAME_BYTES, roomBytes);
  let seq = 0;
  let consumed = 0;
  let gone: unknown;
  let wake: (() => void) | undefined;
  const stop = (reason: unknown) => {
    gone ??= reason;
    wake?.();
  };
  const forget = calls.watch({
    run,
    correlationId: target.correlationId,
    onCredit(count) {
      if (count < 0) stop(new ReaderLeft('the reader left'));
      consumed = Math.max(consumed, count);
      wake?.();
    },
    onGone: () => stop(new ReaderLeft('the reader left')),
  });
  const onAbort = () => stop(target.signal.reason);
  target.signal.addEventListener('abort', onAbort, { once: true });

  const send = async (items: readonly Buffer[], end: boolean) => {
    while (gone === undefined && seq - consumed >= limits.streamWindow) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = undefined;
    }
    if (gone !== undefined) throw gone;
    const bytes = pieceOf({ run, from: transport.replyKey, seq: seq++, end }, items);
    checkSize(bytes.length, limits.maxMessageBytes, 'a piece');
    calls.reply(target.replyTo, target.correlationId, bytes);
  };

  try {
    let items: Buffer[] = [];
    let bytes = 0;
    for await (const batch of batches) {
      for (const item of batch) {
        const json = Buffer.from(write(item));
        const size = json.length + 1;
        if (size > roomBytes)
          throw new MessageTooLarge(`one item is ${size} bytes, the limit is ${roomBytes}`, { bytes: size, limit: roomBytes });
        if (items.length >= limits.pieceItems || (items.length > 0 && bytes + size > pieceBytes)) {
          await send(items, false);
          items = [];
          bytes = 0;
        }
        items.push(json);
        bytes += size;
      }
      if (gone !== undefined) throw gone;
    }
    await send(items, true);
  } finally {
    forget();
    target.signal.removeEventListener('abort', onAbort);
  }
}
