import { movingTask, movingTaskWithStop } from './moving.ts';
import type { MoveWords } from './move.ts';

export const coldWords: MoveWords = {
  kind: 'cold-move',
  live: false,
  events: {
    outer: 'conductor_migrate_server',
    accept: 'cold_migrate',
    prepare: 'compute_prep_resize',
    transfer: 'compute_resize_instance',
    finish: 'compute_finish_resize',
  },
  statuses: { prepare: 'pre-migrating', transfer: 'migrating', finish: 'post-migrating', end: 'finished' },
  taskStates: { prepare: 'resize_prep', transfer: 'resize_migrating', sent: 'resize_migrated', finish: 'resize_finish' },
};

/** A resize or a cold migration, up to where the user confirms or reverts it. */
export const coldMove = movingTaskWithStop(coldWords);
/** As conductors of minor 0 make it: without the state in which all is sent. */
export const coldMoveOfMinor0 = movingTask(coldWords);
