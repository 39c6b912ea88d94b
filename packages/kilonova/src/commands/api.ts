import { startApi } from '@kilonova/api';
import type { Command } from '../cli/command.ts';
import { configFor, configOptions } from '../config/options.ts';
import { runServiceProcess } from '../process/service-process.ts';
import { connectBroker, pinOf } from '../process/transport.ts';

export const api: Command = {
  name: 'api',
  summary: 'Run the Compute API (HTTP).',
  details: 'Needs the broker and an identity service. Any number may run, behind one address.',
  options: configOptions,
  run: (given) =>
    runServiceProcess('api', configFor(given), async ({ config, surroundings, add, onStop }) => {
      const around = surroundings();
      const transport = await connectBroker(config.broker, { role: 'api' }, around);
      onStop(() => transport.close());
      add(await startApi({ ...around, config, transport, ...pinOf(config.broker) }));
    }),
};
