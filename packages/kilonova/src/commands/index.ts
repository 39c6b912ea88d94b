import type { Command } from '../cli/command.ts';
import { api } from './api.ts';
import { bench } from './bench.ts';
import { brokerDefinitionsCommand } from './broker-definitions.ts';
import { compute } from './compute.ts';
import { conductor } from './conductor.ts';
import { config } from './config.ts';
import { dbMigrate } from './db-migrate.ts';
import { dbSeed } from './db-seed.ts';
import { doctor } from './doctor.ts';
import { processes } from './processes.ts';
import { scheduler } from './scheduler.ts';
import { standalone } from './standalone.ts';
import { up } from './up.ts';

/** In the order of the overview. */
export const commands: readonly Command[] = [
  up,
  processes,
  api,
  conductor,
  scheduler,
  compute,
  standalone,
  dbMigrate,
  dbSeed,
  brokerDefinitionsCommand,
  config,
  doctor,
  bench,
];
