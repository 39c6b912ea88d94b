import type { Command } from '../cli/command.ts';
import { brokerDefinitionsCommand } from './broker-definitions.ts';
import { config } from './config.ts';
import { dbMigrate } from './db-migrate.ts';
import { scheduler } from './scheduler.ts';

/** In the order of the overview. */
export const commands: readonly Command[] = [scheduler, dbMigrate, brokerDefinitionsCommand, config];
