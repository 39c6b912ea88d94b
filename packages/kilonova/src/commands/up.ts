import type { Command } from '../cli/command.ts';
import { configFor } from '../config/options.ts';
import { readUpOptions, upOptions } from '../up/options.ts';
import { runUp } from '../up/run.ts';

export const up: Command = {
  name: 'up',
  summary: 'Run a whole cloud in this process: nothing but Node is needed.',
  details: `PostgreSQL comes with it, the broker is in-process, the hosts have the fake driver. State survives a restart.
In the foreground; Ctrl-C ends everything.`,
  options: upOptions,
  run: (given) => runUp(readUpOptions(given), configFor(given), (line) => process.stdout.write(`${line}\n`)),
};
