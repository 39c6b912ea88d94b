import { readFileSync } from 'node:fs';
import { readConfigFile, type FileEntry } from './config-file.ts';
import type { Option, Section, SectionValues } from './config.ts';
import { didYouMean } from './nearest-name.ts';

export interface ConfigSources {
  /** YAML. */
  readonly file?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** By `section.key` in snake_case, as in YAML. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** Names in the environment that begin with KILONOVA_ and are no options; one that ends in `_` is a prefix. */
  readonly reservedEnv?: readonly string[];
}

export type LoadedConfig<S extends readonly Section[]> = {
  readonly [K in S[number] as K['name']]: SectionValues<K>;
};

/** Everything that is wrong with the configuration at once, one line each. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

const PREFIX = 'KILONOVA_';

export const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
export const envName = (section: string, key: string): string => `${PREFIX}${snakeCase(section)}_${snakeCase(key)}`.toUpperCase();

interface Known {
  readonly section: string;
  readonly key: string;
  readonly option: Option<unknown>;
  /** The value is the path of a file that holds the secret. */
  readonly fromFile: boolean;
}

/**
 * The values of `sections` from the file, the environment and the flags; the later wins. A secret may also be given as
 * a file: `password_file: PATH`, `KILONOVA_BROKER_PASSWORD_FILE=PATH` (a line end at its end is dropped). Sections that
 * this process does not use must be listed too, so that one file serves all processes. Throws ConfigError.
 */
export function loadConfig<const S extends readonly Section[]>(sections: S, sources: ConfigSources): LoadedConfig<S> {
  const known = sections.flatMap(knownOptions);
  const byPath = new Map(known.map((one) => [pathOf(one), one]));
  const byEnv = new Map(known.map((one) => [envOf(one), one]));
  const values = new Map(known.filter((one) => !one.fromFile).map((one) => [pathOf(one), one.option.default]));
  const problems: string[] = [];

  const take = (place: string, { section, key, option, fromFile }: Known, given: unknown) => {
    let value = given;
    try {
      if (fromFile) value = readSecret(given);
    } catch (error) {
      return void problems.push(`${place}: ${(error as Error).message}`);
    }
    try {
      values.set(`${snakeCase(section)}.${snakeCase(key)}`, option.parse(value));
    } catch (error) {
      problems.push(`${place}: ${option.secret ? `expected ${option.kind}` : (error as Error).message}`);
    }
  };

  if (sources.file !== undefined) takeFile(sources.file);
  takeEnvironment(sources.env ?? {});
  for (const [path, given] of Object.entries(sources.flags ?? {})) {
    const one = byPath.get(path);
    if (one === undefined) problems.push(`--set ${path}: unknown key${didYouMean(path, byPath.keys())}`);
    else take(`--set ${path}`, one, given);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.fromEntries(
    sections.map(({ name, options }) => [
      name,
      Object.fromEntries(Object.keys(options).map((key) => [key, values.get(`${snakeCase(name)}.${snakeCase(key)}`)])),
    ]),
  ) as LoadedConfig<S>;

  function takeFile(file: string) {
    const read = readConfigFile(file);
    problems.push(...read.problems);
    const names = sections.map(({ name }) => snakeCase(name));
    for (const { name, place, entries } of read.sections) {
      if (!names.includes(name)) problems.push(`${place}: ${name}: unknown section${didYouMean(name, names)}`);
      else if (entries === undefined) problems.push(`${place}: ${name}: expected a mapping of keys to values`);
      else for (const entry of entries) takeEntry(name, entry);
    }
  }

  function takeEntry(name: string, { key, value, place }: FileEntry) {
    const one = byPath.get(`${name}.${key}`);
    if (one !== undefined) return take(`${place}: ${name}.${key}`, one, value);
    const siblings = known.filter((other) => snakeCase(other.section) === name).map(keyOf);
    problems.push(`${place}: ${name}.${key}: unknown key${didYouMean(key, siblings)}`);
  }

  function takeEnvironment(env: NonNullable<ConfigSources['env']>) {
    const reserved = sources.reservedEnv ?? [];
    for (const [name, value] of Object.entries(env)) {
      if (!name.startsWith(PREFIX) || value === undefined) continue;
      if (reserved.some((one) => (one.endsWith('_') ? name.startsWith(one) : name === one))) continue;
      const one = byEnv.get(name);
      if (one === undefined) problems.push(`environment: ${name}: unknown name${didYouMean(name, byEnv.keys())}`);
      else take(`environment: ${name}`, one, value);
    }
  }
}

const knownOptions = ({ name, options }: Section): Known[] =>
  Object.entries(options).flatMap(([key, option]) => [
    { section: name, key, option, fromFile: false },
    ...(option.secret ? [{ section: name, key, option, fromFile: true }] : []),
  ]);

const keyOf = ({ key, fromFile }: Known) => snakeCase(key) + (fromFile ? '_file' : '');
const pathOf = (one: Known) => `${snakeCase(one.section)}.${keyOf(one)}`;
const envOf = ({ section, key, fromFile }: Known) => envName(section, key) + (fromFile ? '_FILE' : '');

function readSecret(path: unknown): string {
  if (typeof path !== 'string' || path === '') throw new Error(`expected the path of a file, found ${JSON.stringify(path)}`);
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new Error(`cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}
