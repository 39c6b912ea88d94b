import type { TaskState, VmState } from './states.ts';

interface StatusRow {
  readonly otherwise: string;
  readonly whileIn: Partial<Record<TaskState, string>>;
}

/** vm_state and task_state to the status that clients see (Compute API, "Server statuses"). */
const table: Record<VmState, StatusRow> = {
  active: {
    otherwise: 'ACTIVE',
    whileIn: {
      rebooting: 'REBOOT',
      reboot_pending: 'REBOOT',
      reboot_started: 'REBOOT',
      rebooting_hard: 'HARD_REBOOT',
      reboot_pending_hard: 'HARD_REBOOT',
      reboot_started_hard: 'HARD_REBOOT',
      updating_password: 'PASSWORD',
      rebuilding: 'REBUILD',
      rebuild_block_device_mapping: 'REBUILD',
      rebuild_spawning: 'REBUILD',
      migrating: 'MIGRATING',
      resize_prep: 'RESIZE',
      resize_migrating: 'RESIZE',
      resize_migrated: 'RESIZE',
      resize_finish: 'RESIZE',
    },
  },
  building: { otherwise: 'BUILD', whileIn: {} },
  stopped: {
    otherwise: 'SHUTOFF',
    whileIn: {
      resize_prep: 'RESIZE',
      resize_migrating: 'RESIZE',
      resize_migrated: 'RESIZE',
      resize_finish: 'RESIZE',
      rebuilding: 'REBUILD',
      rebuild_block_device_mapping: 'REBUILD',
      rebuild_spawning: 'REBUILD',
    },
  },
  resized: { otherwise: 'VERIFY_RESIZE', whileIn: { resize_reverting: 'REVERT_RESIZE' } },
  paused: { otherwise: 'PAUSED', whileIn: { migrating: 'MIGRATING' } },
  suspended: { otherwise: 'SUSPENDED', whileIn: {} },
  rescued: { otherwise: 'RESCUE', whileIn: {} },
  error: { otherwise: 'ERROR', whileIn: { rebuilding: 'REBUILD', rebuild_block_device_mapping: 'REBUILD', rebuild_spawning: 'REBUILD' } },
  deleted: { otherwise: 'DELETED', whileIn: {} },
  'soft-delete': { otherwise: 'SOFT_DELETED', whileIn: {} },
  shelved: { otherwise: 'SHELVED', whileIn: {} },
  shelved_offloaded: { otherwise: 'SHELVED_OFFLOADED', whileIn: {} },
};

/** The status that clients see, like `ACTIVE`. */
export const statusOf = (vmState: VmState, taskState: TaskState | null): string => {
  const row = table[vmState];
  return (taskState === null ? undefined : row.whileIn[taskState]) ?? row.otherwise;
};

/** The states that show as `status`, for filters; `taskStates: null` means any that no other status claims. */
export interface StatusStates {
  readonly vmState: VmState;
  /** Only these, or, when `except`, any but these (null counts as any). */
  readonly taskStates: readonly TaskState[];
  readonly except: boolean;
}

/** The states behind a status of any letter case; none for an unknown one. */
export function statesOf(status: string): readonly StatusStates[] {
  const wanted = status.toUpperCase();
  const found: StatusStates[] = [];
  for (const [vmState, row] of Object.entries(table) as [VmState, StatusRow][]) {
    const special = Object.keys(row.whileIn) as TaskState[];
    if (row.otherwise === wanted) {
      found.push({ vmState, taskStates: special.filter((state) => row.whileIn[state] !== wanted), except: true });
      continue;
    }
    const matching = special.filter((state) => row.whileIn[state] === wanted);
    if (matching.length > 0) found.push({ vmState, taskStates: matching, except: false });
  }
  return found;
}
