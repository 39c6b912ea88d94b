import { movingTask } from './moving.ts';
import type { MoveWords } from './move.ts';

export const liveWords: MoveWords = {
  kind: 'live-move',
  live: true,
  events: {
    accept: 'conductor_live_migrate_instance',
    checks: { destination: 'compute_check_can_live_migrate_destination', source: 'compute_check_can_live_migrate_source' },
    prepare: 'compute_pre_live_migration',
    transfer: 'compute_live_migration',
    finish: 'compute_post_live_migration_at_destination',
  },
  statuses: { prepare: 'preparing', transfer: 'running', finish: 'post-migrating', end: 'completed' },
  taskStates: { prepare: 'migrating', transfer: 'migrating', sent: 'migrating', finish: 'migrating' },
};

/** A live migration: the guest runs on while it moves. */
export const liveMove = movingTask(liveWords);
