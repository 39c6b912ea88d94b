import { cases } from '@kilonova/bench';
import type { Command } from '../cli/command.ts';
import { benchOptions, readBenchOptions } from '../bench/options.ts';
import { runBenchmarks } from '../bench/run.ts';
import { configFor } from '../config/options.ts';

const width = Math.max(...cases.map(({ name }) => name.length));

export const bench: Command = {
  name: 'bench',
  summary: 'Measure a cloud, or a part of one, against targets.',
  details: `Cases:
${cases.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}

The cloud is the one that the OS_* variables of the environment name (source an openrc). "agents" needs the broker of the configuration instead,
"machine" its broker and its database, "scheduler*" nothing. Ctrl-C ends a run and takes back what it made; a second one does not wait for that. Ends with 0 also when a target is
missed, and with 1 when something that was asked for failed. docs/benchmarks.md says what each figure means.`,
  words: 'CASE...',
  options: benchOptions,
  run: (given) => runBenchmarks(readBenchOptions(given), () => configFor(given)),
};
