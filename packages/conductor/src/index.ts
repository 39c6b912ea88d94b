export { conductorSection, databaseSection } from './config.ts';
export type { ConductorConfig, ConductorSettings, DatabaseConfig } from './config.ts';
export { migrateDatabase } from './db/migrate.ts';
