import { startConductor } from '@kilonova/conductor';
import type { Command } from '../cli/command.ts';
import { configFor, configOptions } from '../config/options.ts';
import { settleAccounts } from '../process/accounts.ts';
import { runServiceProcess } from '../process/service-process.ts';
import { connectBroker, pinOf } from '../process/transport.ts';

export const conductor: Command = {
  name: 'conductor',
  summary: 'Run a conductor, which alone has the database.',
  details: 'Needs the broker and the database ("kilonova db migrate" first). Any number may run, on any machine.',
  options: configOptions,
  run: (given) =>
    runServiceProcess('conductor', settleAccounts(configFor(given)), async ({ config, surroundings, add, onStop }) => {
      const around = surroundings();
      const transport = await connectBroker(config.broker, { role: 'conductor' }, around);
      onStop(() => transport.close());
      add(await startConductor({ ...around, config, transport, ...pinOf(config.broker) }));
    }),
};
