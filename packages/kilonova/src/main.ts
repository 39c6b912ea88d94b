import { runCommandLine } from './cli/run.ts';
import { commandsFor } from './commands/index.ts';

const args = process.argv.slice(2);
const code = await runCommandLine(await commandsFor(args), args, {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
});
// What is written to a pipe must be out before the process ends.
process.stdout.write('', () => process.exit(code));
