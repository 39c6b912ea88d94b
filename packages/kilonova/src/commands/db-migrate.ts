import { migrateDatabase } from '@kilonova/conductor';
import { createLogger } from '@kilonova/runtime';
import type { Command } from '../cli/command.ts';
import { configFor, configOptions } from '../config/options.ts';

export const dbMigrate: Command = {
  name: 'db migrate',
  summary: "Bring the control plane's database to this version's tables.",
  details: 'Run it once before the conductors of a new version start. Several at once wait for each other; a second run changes nothing.',
  options: configOptions,
  async run(given) {
    const config = configFor(given);
    await migrateDatabase(config.database);
    createLogger('db', config.log.level).info({}, 'the database is up to date');
    return 0;
  },
};
