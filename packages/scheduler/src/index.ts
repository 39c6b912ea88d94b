export { schedulerSection } from './config.ts';
export type { SchedulerConfig } from './config.ts';
export { startScheduler } from './main.ts';
export type { SchedulerParts } from './main.ts';
