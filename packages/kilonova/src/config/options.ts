import type { CommandOptions, Given } from '../cli/command.ts';
import { UsageError } from '../cli/command.ts';
import { loadSections, type KilonovaConfig } from './sections.ts';

/** The options of every command that reads the configuration. */
export const configOptions: CommandOptions = {
  config: { value: 'FILE', help: 'YAML configuration (or KILONOVA_CONFIG in the environment).' },
  set: {
    value: 'SECTION.KEY=VALUE',
    help: 'One value of the configuration; wins over file and environment. May be repeated.',
    repeated: true,
  },
};

/** The configuration that the command line, the environment and the file make together. Throws ConfigError, UsageError. */
export function configFor(given: Given, flags: Readonly<Record<string, unknown>> = {}): KilonovaConfig {
  const set: Record<string, unknown> = { ...flags };
  for (const one of given.all('set')) {
    const equals = one.indexOf('=');
    if (equals < 1) throw new UsageError(`--set: expected SECTION.KEY=VALUE, found ${JSON.stringify(one)}`);
    set[one.slice(0, equals)] = one.slice(equals + 1);
  }
  return loadSections({ file: given.text('config') ?? process.env['KILONOVA_CONFIG'], env: process.env, flags: set });
}

/** The same options for another `kilonova`. */
export const configArguments = (given: Given): readonly string[] => {
  const file = given.text('config');
  return [...(file === undefined ? [] : ['--config', file]), ...given.all('set').flatMap((one) => ['--set', one])];
};
