/**
 * A move whose destination was told to run the guest and did not say that it does: it may run there, and what it has by then is nowhere
 * else. So nothing is taken back before that host has answered, or an operator said that it is gone; the server shows ERROR meanwhile. A
 * host that is heard again has done what it was told, or does it now, and the move ends as if it had answered in time.
 */
import { Task } from '../engine/definition.ts';
import type { TaskServices } from '../services.ts';
import { pause } from './asking-on.ts';
import { coldWords } from './cold-move.ts';
import { liveWords } from './live-move.ts';
import { destinationOf, type MoveParams, type MoveWords, settlingKind } from './move.ts';
import { sendFinish, switchOwner } from './moving.ts';
import { leaveDestination } from './sides.ts';
import { endingOf, unwoundMove } from './unwound-move.ts';

const settling = (words: MoveWords): Task<MoveParams, TaskServices> =>
  new Task<MoveParams, TaskServices>(settlingKind(words), 1, 5)
    .local('pause', { run: pause(({ silent }) => silent?.asking) })
    .cast('askFinish', {
      to: (item) => destinationOf(item).host,
      // It may take as long for it as the first time.
      send: (orders, services) =>
        sendFinish(
          words,
          orders.map((order) => ({ ...order, allowedMs: Math.min(order.allowedMs, services.config.moveStepDeadlineMs) })),
          services,
        ),
      undo: (batch, trx, context) =>
        leaveDestination(
          'askFinish',
          batch.filter((item) => endingOf(trx, item, words, context.services) !== 'ask on'),
          trx,
          context,
        ),
    })
    .awaitReport('finished', { deadlineMs: ({ config }) => config.silentMoveDeadlineMs, onFailure: 'unwind' })
    .local('switchOwner', { run: (batch, trx, context) => switchOwner(words, batch, trx, context) })
    .unwound((batch, trx, context) => unwoundMove(words, batch, trx, context));

export const settleColdMove = settling(coldWords);
export const settleLiveMove = settling(liveWords);
