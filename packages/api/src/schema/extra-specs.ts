import { badRequest } from '../http/api-error.ts';
import { dataRows, type Row } from './data.ts';

/**
 * Flavor extra specs of known namespaces, whose keys and values are checked when they are set, from 2.86. Keys of other
 * namespaces and bare keys are free.
 */
interface KnownSpec {
  readonly key: RegExp;
  readonly row: Row;
}

let known: readonly KnownSpec[] | undefined;
const namespaces = new Set<string>();

function load(): readonly KnownSpec[] {
  return (known ??= dataRows('extra-specs.tsv').map((row) => {
    const [namespace = '', rest] = (row['key'] ?? '').split(/[:{]/);
    if (rest !== undefined) namespaces.add(namespace);
    return { key: keyPattern(row), row };
  }));
}

/** `resources{group}:{resource}` with `group:pattern` for each name in braces. */
function keyPattern({ key = '', key_parameters = '' }: Row): RegExp {
  const patterns = new Map(
    key_parameters
      .split(/;\s*/)
      .filter((part) => part !== '')
      .map((part) => [part.slice(0, part.indexOf(':')), part.slice(part.indexOf(':') + 1)] as const),
  );
  const source = key
    .split(/(\{[^}]+\})/)
    .map((part) =>
      part.startsWith('{') ? `(?:${patterns.get(part.slice(1, -1)) ?? '[A-Z0-9_]+'})` : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'),
    )
    .join('');
  return new RegExp(`^${source}$`);
}

const words = new Set(['1', 't', 'true', 'on', 'y', 'yes', '0', 'f', 'false', 'off', 'n', 'no']);

function problem({ type, min, max, enum: choices, value_pattern }: Row, value: string): string | undefined {
  if (type === 'boolean') return words.has(value.toLowerCase()) ? undefined : 'expected a boolean';
  if (type === 'integer') {
    if (!/^[+-]?\d+$/.test(value)) return 'expected an integer';
    if (min && Number(value) < Number(min)) return `expected at least ${min}`;
    if (max && Number(value) > Number(max)) return `expected at most ${max}`;
  }
  if (choices && !choices.split('|').includes(value)) return `expected one of ${choices.split('|').join(', ')}`;
  if (value_pattern && !new RegExp(`^(?:${value_pattern})$`).test(value)) return `expected a value of the form ${value_pattern}`;
  return undefined;
}

/** @throws ApiError 400 that names the key, the value and what was expected */
export function checkExtraSpecs(specs: Readonly<Record<string, string>>): void {
  const all = load();
  for (const [key, value] of Object.entries(specs)) {
    const spec = all.find((one) => one.key.test(key));
    if (spec !== undefined) {
      const found = problem(spec.row, value);
      if (found !== undefined) throw badRequest(`Validation failed; invalid extra spec '${key}': value '${value}', ${found}`);
      continue;
    }
    const namespace = key.includes(':') ? key.slice(0, key.indexOf(':')) : '';
    const grouped = /^(?:resources|trait)[a-zA-Z0-9_-]{1,64}$/.test(namespace);
    if (namespaces.has(namespace) || grouped)
      throw badRequest(`Validation failed; extra spec '${key}' does not appear to be a valid extra spec.`);
  }
}
