import { ConfigError, didYouMean } from '@kilonova/runtime';
import { release } from '../version.ts';
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
  if (args[0] === '--version') {
    out(`kilonova ${release.version} (wire version ${release.wire})`);
    return 0;
  }
  const asked = args[0] === 'help' && args.length > 1 ? [...args.slice(1), '--help'] : args;
  const first = asked[0];
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    out(overview(commands));
    return first === undefined ? 2 : 0;
  }
  const found = findCommand(commands, asked);
  if (found === undefined) {
    err(`kilonova: ${unknown(commands, asked)}\n\n${overview(commands)}`);
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

function unknown(commands: readonly Command[], [first = '', second = '']: readonly string[]): string {
  const names = commands.map(({ name }) => name);
  const family = names.filter((name) => name.startsWith(`${first} `));
  if (family.length > 0 && (second === '' || second.startsWith('-')))
    return `"${first}" is no command by itself: expected ${family.map((name) => `"${name}"`).join(' or ')}`;
  const typed = family.length > 0 ? `${first} ${second}` : first;
  return `unknown command "${typed}"${didYouMean(typed, names)}`;
}

function findCommand(commands: readonly Command[], args: readonly string[]): { command: Command; rest: readonly string[] } | undefined {
  const pair = commands.find(({ name }) => name === `${args[0]} ${args[1]}`);
  if (pair !== undefined) return { command: pair, rest: args.slice(2) };
  const single = commands.find(({ name }) => name === args[0]);
  return single && { command: single, rest: args.slice(1) };
}
