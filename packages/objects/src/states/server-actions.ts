import type { TaskState, VmState } from './states.ts';

/** When an action on a server is accepted (Compute API; facts from the contract's table of server actions). */
export interface ActionRule {
  /** As it stands in `Cannot '<title>' instance ...`. */
  readonly title: string;
  /** null: any */
  readonly vmStates: readonly VmState[] | null;
  readonly taskStates: readonly (TaskState | null)[] | null;
  /** Refused before the first successful boot. */
  readonly launched: boolean;
  readonly refusedWhenLocked: boolean;
  readonly needsHost: boolean;
  /** The event that the action's work shows as; empty when it has none. */
  readonly event: string;
}

/** The rule of every action by its name in ActOnServer; a reboot has one for each kind. */
export const serverActions = {
  delete: {
    title: 'delete',
    vmStates: null,
    taskStates: null,
    launched: false,
    refusedWhenLocked: true,
    needsHost: false,
    event: 'compute_terminate_instance',
  },
  forceDelete: {
    title: 'forceDelete',
    vmStates: null,
    taskStates: null,
    launched: false,
    refusedWhenLocked: true,
    needsHost: false,
    event: 'compute_terminate_instance',
  },
  start: {
    title: 'start',
    vmStates: ['stopped'],
    taskStates: [null],
    launched: true,
    refusedWhenLocked: true,
    needsHost: true,
    event: 'compute_start_instance',
  },
  stop: {
    title: 'stop',
    vmStates: ['active', 'error'],
    taskStates: [null],
    launched: true,
    refusedWhenLocked: true,
    needsHost: true,
    event: 'compute_stop_instance',
  },
  rebootSoft: {
    title: 'reboot',
    vmStates: ['active'],
    taskStates: [null],
    launched: true,
    refusedWhenLocked: true,
    needsHost: false,
    event: 'compute_reboot_instance',
  },
  rebootHard: {
    title: 'reboot',
    vmStates: ['active', 'error', 'paused', 'stopped', 'suspended'],
    taskStates: [null, 'pausing', 'reboot_pending', 'reboot_started', 'rebooting', 'rebooting_hard', 'resuming', 'suspending', 'unpausing'],
    launched: true,
    refusedWhenLocked: true,
    needsHost: false,
    event: 'compute_reboot_instance',
  },
  resize: {
    title: 'resize',
    vmStates: ['active', 'stopped'],
    taskStates: [null],
    launched: true,
    refusedWhenLocked: true,
    needsHost: true,
    event: 'cold_migrate',
  },
  migrate: {
    title: 'migrate',
    vmStates: ['active', 'stopped'],
    taskStates: [null],
    launched: true,
    refusedWhenLocked: true,
    needsHost: true,
    event: 'cold_migrate',
  },
  confirmResize: {
    title: 'confirmResize',
    vmStates: ['resized'],
    taskStates: [null],
    launched: true,
    refusedWhenLocked: true,
    needsHost: false,
    event: 'compute_confirm_resize',
  },
  revertResize: {
    title: 'revertResize',
    vmStates: ['resized'],
    taskStates: [null],
    launched: true,
    refusedWhenLocked: true,
    needsHost: false,
    event: 'compute_revert_resize',
  },
  liveMigrate: {
    title: 'os-migrateLive',
    vmStates: ['active', 'paused'],
    taskStates: [null],
    launched: true,
    refusedWhenLocked: true,
    needsHost: true,
    event: 'conductor_live_migrate_instance',
  },
  forceCompleteMigration: {
    title: 'force_complete',
    vmStates: ['active'],
    taskStates: ['migrating'],
    launched: true,
    refusedWhenLocked: true,
    needsHost: false,
    event: 'compute_live_migration_force_complete',
  },
  abortMigration: {
    title: 'abort live migration',
    vmStates: null,
    taskStates: ['migrating'],
    launched: true,
    refusedWhenLocked: true,
    needsHost: false,
    event: 'compute_live_migration_abort',
  },
  evacuate: {
    title: 'evacuate',
    vmStates: ['active', 'error', 'stopped'],
    taskStates: null,
    launched: true,
    refusedWhenLocked: false,
    needsHost: true,
    event: 'rebuild_server',
  },
  metadataWrite: {
    title: 'update metadata',
    vmStates: ['active', 'paused', 'stopped', 'suspended'],
    taskStates: null,
    launched: true,
    refusedWhenLocked: true,
    needsHost: false,
    event: '',
  },
  metadataDelete: {
    title: 'delete metadata',
    vmStates: ['active', 'paused', 'stopped', 'suspended'],
    taskStates: null,
    launched: true,
    refusedWhenLocked: true,
    needsHost: false,
    event: '',
  },
  lock: {
    title: 'lock',
    vmStates: null,
    taskStates: null,
    launched: false,
    refusedWhenLocked: false,
    needsHost: false,
    event: '',
  },
  unlock: {
    title: 'unlock',
    vmStates: null,
    taskStates: null,
    launched: false,
    refusedWhenLocked: false,
    needsHost: false,
    event: '',
  },
  resetState: {
    title: 'resetState',
    vmStates: null,
    taskStates: null,
    launched: false,
    refusedWhenLocked: false,
    needsHost: false,
    event: '',
  },
} as const satisfies Record<string, ActionRule>;

export type ServerActionName = keyof typeof serverActions;
