import type { Command } from '../cli/command.ts';
import { configArguments, configFor, configOptions } from '../config/options.ts';
import { readProcessOptions, processOptions } from '../processes/options.ts';
import { runProcesses } from '../processes/run.ts';

export const processes: Command = {
  name: 'processes',
  summary: 'Run every service as a process of its own on this machine, with a fake cloud.',
  details: `On a given broker and two given databases (the second for the built-in identity and image services). Prints each process's
pid and addresses. A process that ends is reported and not restarted. SIGTERM or Ctrl-C stops all. For example:
  KILONOVA_BROKER_URLS=amqp://guest:guest@127.0.0.1:5672/ KILONOVA_DATABASE_URL=postgres://kilonova:secret@127.0.0.1/kilonova \\
    KILONOVA_STANDALONE_DATABASE_URL=postgres://kilonova:secret@127.0.0.1/kilonova_standalone kilonova processes
An address with a password belongs into the environment or the configuration file: a command line can be read by everybody.`,
  options: { ...processOptions, ...configOptions },
  run: (given) => {
    const options = readProcessOptions(given);
    return runProcesses(options, configFor(given, options.flags), configArguments(given), (line) => process.stdout.write(`${line}\n`));
  },
};
