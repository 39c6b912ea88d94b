import { buildInstance } from './build-instance.ts';
import { createServers } from './create-servers.ts';
import { deleteInstance } from './delete-instance.ts';
import { Definitions } from './engine/definition.ts';
import { coldMove, coldMoveOfMinor0 } from './moves/cold-move.ts';
import { evacuateInstance } from './moves/evacuate.ts';
import { liveMove } from './moves/live-move.ts';
import { queueLiveMove } from './moves/queue-live-move.ts';
import { restoreInstance } from './moves/restore-instance.ts';
import { revertResize } from './moves/revert-resize.ts';
import { settleColdMove, settleLiveMove } from './moves/settle-move.ts';
import { settleRevert } from './moves/settle-revert.ts';
import { rebootInstance, startInstance, stopInstance } from './power.ts';

/** Every task that a conductor of this release can run. A version goes when no release before may have left a row of it. */
export const taskDefinitions = new Definitions([
  ...[createServers, buildInstance, deleteInstance, startInstance, stopInstance, rebootInstance],
  ...[coldMove, coldMoveOfMinor0, queueLiveMove, liveMove, evacuateInstance, restoreInstance, revertResize],
  ...[settleColdMove, settleLiveMove, settleRevert],
]);
