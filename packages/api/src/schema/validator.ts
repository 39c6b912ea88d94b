import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { badRequest } from '../http/api-error.ts';
import type { Microversion } from '../microversion/microversion.ts';
import { readData, tableRows } from './data.ts';
import { explain, failureText, type Schema } from './explain.ts';
import { formats } from './formats.ts';

export type SchemaKind = 'request' | 'query' | 'response';

interface Range {
  readonly from: Microversion;
  readonly to: Microversion;
  readonly file: string;
}

interface Compiled {
  readonly schema: Schema;
  readonly fits: ValidateFunction;
}

const minorOf = (text: string) => Number(text.slice(text.indexOf('.') + 1));

/** An ajv that checks as the Compute API's own validator does (contract's README of schemas). */
function createAjv(): Ajv2020 {
  const ajv = new Ajv2020({
    strict: false,
    unicodeRegExp: false,
    allErrors: false,
    messages: false,
    validateSchema: false,
    addUsedSchema: false,
  });
  for (const [name, test] of Object.entries(formats)) ajv.addFormat(name, test);
  for (const name of ['url', 'string', 'mac-address']) ajv.addFormat(name, true);
  for (const [keyword, fits] of [
    ['minimum', (value: number, limit: number) => value >= limit],
    ['maximum', (value: number, limit: number) => value <= limit],
  ] as const) {
    ajv.removeKeyword(keyword);
    ajv.addKeyword({
      keyword,
      type: ['number', 'string'],
      validate: (limit: number, value: number | string) => Number.isNaN(Number(value)) || fits(Number(value), limit),
    });
  }
  return ajv;
}

/**
 * The schemas of the contract by method, path, action and kind, each with its range of microversions. Read and compiled
 * on first use and kept: there are as many as the contract has files.
 */
export class Schemas {
  readonly #ranges = new Map<string, Range[]>();
  readonly #compiled = new Map<string, Compiled>();
  readonly #ajv = createAjv();
  readonly #read: (file: string) => string;

  constructor(read: (file: string) => string = (file) => readData(`schemas/${file}`)) {
    this.#read = read;
    for (const row of tableRows(read('index.tsv'))) {
      const key = [row['method'], row['path'], row['action'], row['kind']].join(' ');
      const range = {
        from: minorOf(row['min_microversion'] ?? ''),
        to: row['max_microversion'] ? minorOf(row['max_microversion']) : Infinity,
        file: row['file'] ?? '',
      };
      this.#ranges.set(key, [...(this.#ranges.get(key) ?? []), range]);
    }
  }

  /** The file that holds at a microversion; undefined where nothing is checked. */
  find(method: string, path: string, action: string | undefined, kind: SchemaKind, version: Microversion): string | undefined {
    return this.#ranges.get([method, path, action ?? '', kind].join(' '))?.find(({ from, to }) => from <= version && version <= to)?.file;
  }

  /** @throws ApiError 400 in the words of the Compute API */
  check(file: string, value: unknown, what: 'field/attribute' | 'query parameters'): void {
    const { schema, fits } = this.#load(file);
    if (fits(value)) return;
    const failure = explain(schema, value);
    throw badRequest(failure === undefined ? 'The request does not fit its schema.' : failureText(failure, what));
  }

  /** The schema as written, for whoever needs its keys. */
  schema(file: string): Schema {
    return this.#load(file).schema;
  }

  #load(file: string): Compiled {
    const known = this.#compiled.get(file);
    if (known !== undefined) return known;
    const schema = JSON.parse(this.#read(file)) as Schema;
    const compiled = { schema, fits: this.#ajv.compile(schema) };
    this.#compiled.set(file, compiled);
    return compiled;
  }
}
