import { ConnectionLost, Unreachable } from '../errors.ts';
import { Held } from './held.ts';
import { SendingOrder } from './sending-order.ts';
import type { OutgoingMessage, Transport } from '../transport.ts';
import { whenWritable, within } from '../waiting.ts';

export interface SendOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called right before it leaves. */
  readonly onSend?: () => void;
}

/**
 * Settles when the broker has the message. With `ordered`, it leaves after those that were given before it for its key.
 *
 * @throws Busy (a limit of `Held`, the broker blocks, the queue is full), Unreachable (no connection in time, nobody
 *   listens), ConnectionLost (the outcome is unknown), NotAuthorized, or the signal's reason.
 */
export async function sendConfirmed(
  transport: Transport,
  what: string,
  message: OutgoingMessage,
  options: SendOptions & { readonly ordered?: boolean } = {},
): Promise<void> {
  const { connectWaitMs, confirmWaitMs } = transport.limits;
  const held = Held.of(transport);
  held.takeCast(message.body.length, what);
  try {
    if (options.ordered === true) await SendingOrder.of(transport).turn(message.key, connectWaitMs, options.signal);
    else await whenWritable(transport, connectWaitMs, options.signal);
    options.onSend?.();
    const late = () => new ConnectionLost(`${what}: the broker did not confirm within ${confirmWaitMs} ms; the outcome is unknown`);
    await within(transport.environment.clock, confirmWaitMs, transport.sendConfirmed(message), late);
  } finally {
    held.giveCast(message.body.length);
  }
}

/**
 * Settles when the message is on its way; whether the broker takes it is not told.
 *
 * @throws Busy (the broker blocks), Unreachable (no connection in time), or the signal's reason.
 */
export async function sendUnconfirmed(
  transport: Transport,
  what: string,
  message: OutgoingMessage,
  options: SendOptions = {},
): Promise<void> {
  await whenWritable(transport, transport.limits.connectWaitMs, options.signal);
  options.onSend?.();
  if (!transport.send(message)) throw new Unreachable(`${what}: the connection to the broker was lost`);
}
