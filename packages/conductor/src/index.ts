export { conductorSection, databaseSection, quotaSection } from './config.ts';
export type { ConductorConfig, ConductorSettings, DatabaseConfig } from './config.ts';
export { migrateDatabase } from './db/migrate.ts';
export { inspectDatabase } from './db/inspect.ts';
export type { DatabaseFindings } from './db/inspect.ts';
export { probeDatabase } from './db/probe.ts';
export { removeSeed, seedDatabase } from './db/seed/seed.ts';
export { startConductor } from './main.ts';
export type { ConductorParts } from './main.ts';
