import { runCommandLine } from './cli/run.ts';
import { commands } from './commands/index.ts';

const code = await runCommandLine(commands, process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
});
// What is written to a pipe must be out before the process ends.
process.stdout.write('', () => process.exit(code));
