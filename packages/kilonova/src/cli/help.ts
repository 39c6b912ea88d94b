import type { Command } from './command.ts';

const columns = (rows: readonly (readonly [string, string])[]) => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
};

export const overview = (commands: readonly Command[]): string => `kilonova: a compute control plane that speaks the OpenStack Compute API

Usage: kilonova COMMAND [options]

${columns(commands.map(({ name, summary }) => [name, summary]))}

"kilonova COMMAND --help" says more about one, "kilonova --version" which release this is.`;

export function helpOf(command: Command): string {
  const options = Object.entries(command.options).map(
    ([name, { value, help, default: fallback }]) =>
      [`--${name}${value === undefined ? '' : ` ${value}`}`, `${help}${fallback === undefined ? '' : ` (default ${fallback})`}`] as const,
  );
  return [
    `Usage: kilonova ${command.name} [options]${command.words === undefined ? '' : ` ${command.words}`}`,
    command.summary,
    ...(command.details === undefined ? [] : [command.details]),
    `Options:\n${columns([...options, ['--help', 'Show this.']])}`,
  ].join('\n\n');
}
