import { hostname } from 'node:os';
import { startScheduler } from '@kilonova/scheduler';
import type { Command } from '../cli/command.ts';
import { configFor, configOptions } from '../config/options.ts';
import { runServiceProcess } from '../process/service-process.ts';
import { connectBroker, pinOf } from '../process/transport.ts';

export const scheduler: Command = {
  name: 'scheduler',
  summary: 'Run a scheduler, which proposes hosts.',
  details: 'Needs the broker. Any number may run, on any machine.',
  options: configOptions,
  run: (given) =>
    runServiceProcess('scheduler', configFor(given), async ({ config, surroundings, add, onStop }) => {
      const around = surroundings();
      const transport = await connectBroker(config.broker, { role: 'scheduler' }, around);
      onStop(() => transport.close());
      add(await startScheduler({ ...around, config, transport, host: hostname(), ...pinOf(config.broker) }));
    }),
};
