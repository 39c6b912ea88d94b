import { ConfigError, didYouMean } from '@kilonova/runtime';
import { readArguments } from './arguments.ts';
import { UsageError, type Command } from './command.ts';
import { helpOf, overview } from './help.ts';

/** Where a command line prints; replaced in tests. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** Runs one command line and returns the exit code: 2 for what cannot be meant, 1 for what failed. */
export async function runCommandLine(commands: readonly Command[], args: readonly string[], { out, err }: Output): Promise<number> {
  const first = args[0];
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    out(overview(commands));
    return first === undefined ? 2 : 0;
  }
  const found = findCommand(commands, args);
  if (found === undefined) {
    const typed = commands.some(({ name }) => name.startsWith(`${first} `)) && args[1] !== undefined ? `${first} ${args[1]}` : first;
    err(
      `kilonova: unknown command "${typed}"${didYouMean(
        typed,
        commands.map(({ name }) => name),
      )}\n\n${overview(commands)}`,
    );
    return 2;
  }
  const { command, rest } = found;
  if (rest.includes('--help') || rest.includes('-h')) {
    out(helpOf(command));
    return 0;
  }
  try {
    return await command.run(readArguments(command, rest));
  } catch (error) {
    if (error instanceof UsageError) {
      err(`kilonova ${command.name}: ${error.message}\n"kilonova ${command.name} --help" lists the options.`);
      return 2;
    }
    if (error instanceof ConfigError) {
      err(`kilonova ${command.name}: the configuration is wrong:\n${error.problems.map((problem) => `  ${problem}`).join('\n')}`);
      return 2;
    }
    err(`kilonova ${command.name}: ${(error as Error).message}`);
    if (process.env['KILONOVA_LOG_LEVEL'] === 'debug') err(String((error as Error).stack));
    return 1;
  }
}

function findCommand(commands: readonly Command[], args: readonly string[]): { command: Command; rest: readonly string[] } | undefined {
  const pair = commands.find(({ name }) => name === `${args[0]} ${args[1]}`);
  if (pair !== undefined) return { command: pair, rest: args.slice(2) };
  const single = commands.find(({ name }) => name === args[0]);
  return single && { command: single, rest: args.slice(1) };
}
