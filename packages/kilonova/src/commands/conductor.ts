import type { Command } from '../cli/command.ts';
import { configFor, configOptions } from '../config/options.ts';
import { settleAccounts } from '../process/accounts.ts';
import { connectBroker, pinOf } from '../process/transport.ts';
import { runInWorkers } from '../workers/run.ts';

export const conductor: Command = {
  name: 'conductor',
  summary: 'Run a conductor, which alone has the database.',
  details:
    'Needs the broker and the database ("kilonova db migrate" first). Any number may run, on any machine; conductor.workers of them in one.',
  options: configOptions,
  run: (given) => {
    const settled = settleAccounts(configFor(given));
    return runInWorkers('conductor', settled.conductor.workers, settled, async ({ config, surroundings, add, onStop }) => {
      const { startConductor } = await import('@kilonova/conductor'); // not in the parent of workers
      const around = surroundings();
      const transport = await connectBroker(config.broker, { role: 'conductor' }, around);
      onStop(() => transport.close());
      add(await startConductor({ ...around, config, transport, ...pinOf(config.broker) }));
    });
  },
};
