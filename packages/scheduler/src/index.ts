export { schedulerSection } from './config.ts';
export type { SchedulerConfig } from './config.ts';
export { startScheduler } from './main.ts';
export type { SchedulerParts } from './main.ts';
export { Scheduler } from './scheduler.ts';
export { Snapshot } from './snapshot/snapshot.ts';
export type { SnapshotOptions } from './snapshot/snapshot.ts';
