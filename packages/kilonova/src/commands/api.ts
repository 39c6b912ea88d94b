import type { Command } from '../cli/command.ts';
import { configFor, configOptions } from '../config/options.ts';
import { connectBroker, pinOf } from '../process/transport.ts';
import { runInWorkers } from '../workers/run.ts';

export const api: Command = {
  name: 'api',
  summary: 'Run the Compute API (HTTP).',
  details: 'Needs the broker and an identity service. Any number may run, behind one address; api.workers of them share one.',
  options: configOptions,
  run: (given) => {
    const settled = configFor(given);
    return runInWorkers('api', settled.api.workers, settled, async ({ config, surroundings, add, onStop }) => {
      const { startApi } = await import('@kilonova/api'); // not in the parent of workers
      const around = surroundings();
      const transport = await connectBroker(config.broker, { role: 'api' }, around);
      onStop(() => transport.close());
      add(await startApi({ ...around, config, transport, ...pinOf(config.broker) }));
    });
  },
};
