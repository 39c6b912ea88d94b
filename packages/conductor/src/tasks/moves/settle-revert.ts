/**
 * A revert whose source was told to take the server back and did not say that it has: it may run there, so the destination, which
 * stopped it, does not start it. As with settle-move.ts the host is asked until it answers or an operator says that it is gone.
 */
import { Task } from '../engine/definition.ts';
import type { TaskServices } from '../services.ts';
import { pause } from './asking-on.ts';
import { type RevertParams, sendTakeBack, SETTLE_REVERT, switchBack, unwoundRevert } from './revert-resize.ts';

export const settleRevert = new Task<RevertParams, TaskServices>(SETTLE_REVERT, 1, 5)
  .local('pause', { run: pause(({ asking }) => asking) })
  .cast('askTakeBack', {
    to: ({ params }) => params.source.host,
    send: (orders, services) =>
      sendTakeBack(
        orders.map((order) => ({ ...order, allowedMs: Math.min(order.allowedMs, services.config.moveStepDeadlineMs) })),
        services,
      ),
  })
  .awaitReport('takenBack', { deadlineMs: ({ config }) => config.silentMoveDeadlineMs, onFailure: 'unwind' })
  .local('switchBack', { run: switchBack })
  .unwound(unwoundRevert);
