import { migrateDatabase, newerRelease } from '@kilonova/conductor';
import { createLogger } from '@kilonova/runtime';
import type { Command } from '../cli/command.ts';
import { databaseAddress, onDatabase } from '../config/database-address.ts';
import { configFor, configOptions } from '../config/options.ts';

export const dbMigrate: Command = {
  name: 'db migrate',
  summary: "Bring the control plane's database to this version's tables.",
  details: 'Run it once before the conductors of a new version start. Several at once wait for each other; a second run changes nothing.',
  options: configOptions,
  async run(given) {
    const config = configFor(given);
    const { applied, unknown } = await onDatabase(config.database, () => migrateDatabase(config.database));
    const log = createLogger('db', config.log.level);
    const database = databaseAddress(config.database.url);
    if (unknown.length > 0) log.warn({ database, unknown }, newerRelease(unknown));
    else log.info({ database, applied }, applied.length > 0 ? 'the database was brought up to date' : 'the database is up to date already');
    return 0;
  },
};
