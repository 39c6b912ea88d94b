import { setImmediate as nextTurn } from 'node:timers/promises';
import { Calls, type CallRequest } from './calls.ts';
import { ConnectionLost } from '../errors.ts';
import type { Transport } from '../transport.ts';
import { creditText, type Piece } from '../wire/wire.ts';

/**
 * The pieces of a streamed answer, in order, each once. The sender never has more than its window on the way: it is
 * told what was consumed, and told to stop when the reader leaves early.
 */
export async function* receiveStream(
  transport: Transport,
  request: Omit<CallRequest, 'id' | 'onReply' | 'onFailure'>,
): AsyncGenerator<readonly unknown[]> {
  const calls = Calls.of(transport);
  const arrived = new Map<number, Piece>();
  let run: { readonly id: string; readonly from: string } | undefined;
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const credit = (to: { readonly id: string; readonly from: string }, consumed: number) =>
    calls.reply(to.from, to.id, Buffer.from(creditText(consumed)));

  const end = calls.start({
    ...request,
    id: undefined,
    onReply(reply) {
      if (reply.kind !== 'piece') return;
      const { piece } = reply;
      run ??= { id: piece.run, from: piece.from };
      if (piece.run !== run.id) {
        credit({ id: piece.run, from: piece.from }, -1); // a repeat of the request: one run is enough
        return;
      }
      if (piece.seq >= next && arrived.size < transport.limits.streamWindow * 2) arrived.set(piece.seq, piece);
      wake?.();
    },
    onFailure(error) {
      failure = { error };
      wake?.();
    },
  });

  let finished = false;
  try {
    while (!finished) {
      const piece = arrived.get(next);
      if (piece !== undefined) {
        arrived.delete(next);
        next++;
        finished = piece.end;
        if (piece.items.length > 0) yield piece.items;
        if (!finished && run !== undefined) credit(run, next);
        // Others have their turn between pieces that came together: a long list takes longer than a whole request of another kind.
        if (!finished) await nextTurn();
      } else if (failure !== undefined) {
        throw failure.error;
      } else if (!transport.connected && run !== undefined) {
        throw new ConnectionLost(`${request.what}: the connection was lost in the middle of the stream`);
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      }
    }
  } finally {
    end();
    if (!finished && failure === undefined && run !== undefined) credit(run, -1);
  }
}
