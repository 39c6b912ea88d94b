import { ConnectionLost } from './errors.ts';
import { Held } from './held.ts';
import type { OutgoingMessage, Transport } from './transport.ts';
import { whenWritable, within } from './waiting.ts';

/**
 * Settles when the broker has the message. `onSend` is called right before it leaves.
 *
 * @throws Busy (a limit of `Held`, the broker blocks, the queue is full), Unreachable (no connection in time, nobody
 *   listens), ConnectionLost (the outcome is unknown), NotAuthorized, or the signal's reason.
 */
export async function sendConfirmed(
  transport: Transport,
  what: string,
  message: OutgoingMessage,
  options: { readonly signal?: AbortSignal | undefined; readonly onSend?: () => void } = {},
): Promise<void> {
  const { connectWaitMs, confirmWaitMs } = transport.limits;
  const held = Held.of(transport);
  held.takeCast(message.body.length, what);
  try {
    await whenWritable(transport, connectWaitMs, options.signal);
    options.onSend?.();
    const late = () => new ConnectionLost(`${what}: the broker did not confirm within ${confirmWaitMs} ms; the outcome is unknown`);
    await within(transport.environment.clock, confirmWaitMs, transport.sendConfirmed(message), late);
  } finally {
    held.giveCast(message.body.length);
  }
}
