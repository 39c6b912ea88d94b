import { parseArgs } from 'node:util';
import { didYouMean } from '@kilonova/runtime';
import { UsageError, type Command, type Given } from './command.ts';

/** Reads what follows the command's name. Throws UsageError with the nearest known option. */
export function readArguments(command: Command, args: readonly string[]): Given {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(command.options).map(([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' } as const]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string[]>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const option = command.options[token.name];
    if (option === undefined)
      throw new UsageError(
        `unknown option ${token.rawName}${didYouMean(
          token.rawName,
          Object.keys(command.options).map((name) => `--${name}`),
        )}`,
      );
    if (option.value === undefined && token.value !== undefined)
      throw new UsageError(`--${token.name} takes no value, found ${JSON.stringify(token.value)}`);
    if (option.value !== undefined && token.value === undefined)
      throw new UsageError(`--${token.name} needs a value: --${token.name} ${option.value}`);
    const known = values.get(token.name) ?? [];
    if (known.length > 0 && !option.repeated && option.value !== undefined) throw new UsageError(`--${token.name} is given twice`);
    values.set(token.name, [...known, token.value ?? '']);
  }
  if (command.words === undefined && words.length > 0)
    throw new UsageError(`unexpected ${JSON.stringify(words[0])}: kilonova ${command.name} takes options only`);
  return {
    words,
    text: (name) => values.get(name)?.[0] ?? command.options[name]?.default,
    switch: (name) => values.has(name),
    all: (name) => values.get(name) ?? [],
    number(name, { min, max }) {
      const given = this.text(name);
      if (given === undefined) return undefined;
      const number = /^\d+$/.test(given) ? Number(given) : Number.NaN;
      if (!(number >= min && number <= max))
        throw new UsageError(`--${name}: expected a whole number from ${min} to ${max}, found ${JSON.stringify(given)}`);
      return number;
    },
  };
}
