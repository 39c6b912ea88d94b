/**
 * Configuration as data. A service declares its section once:
 *
 *   export const conductorSection = section('conductor', {
 *     leaseMs: integer(5_000, { min: 500, help: 'How long a silent conductor keeps its tasks.' }),
 *   });
 *   export type ConductorConfig = SectionValues<typeof conductorSection>;
 *
 * In YAML the value above is `conductor: { lease_ms: 5000 }`, in the environment `KILONOVA_CONDUCTOR_LEASE_MS=5000`.
 * The environment wins over the file, flags win over both. Unknown keys are refused with the nearest known name.
 */
export interface Option<T> {
  readonly kind: string;
  readonly default: T;
  readonly help: string;
  /** Never printed. */
  readonly secret: boolean;
  /** Throws an Error that says what was expected. Takes YAML values and environment strings alike. */
  readonly parse: (value: unknown) => T;
}

interface Described {
  readonly help: string;
  readonly secret?: boolean;
}

const option = <T>(kind: string, fallback: T, described: Described, parse: (value: unknown) => T): Option<T> => ({
  kind,
  default: fallback,
  help: described.help,
  secret: described.secret ?? false,
  parse,
});

const show = (value: unknown) => JSON.stringify(value) ?? String(value);
const expected = (what: string, value: unknown) => new Error(`expected ${what}, found ${show(value)}`);

interface Checked extends Described {
  /** What is wrong with one value, as an Error that says what was expected; an empty text is not asked about. */
  readonly check?: (value: string) => void;
}

export const text = (fallback: string, { check, ...described }: Checked): Option<string> =>
  option('text', fallback, described, (value) => {
    if (typeof value !== 'string') throw expected('text', value);
    if (value !== '') check?.(value);
    return value;
  });

/** `SCHEME://...` with one of the schemes; also empty, where the default is. */
export const address = (schemes: readonly string[], fallback: string, described: Described): Option<string> => {
  const kind = `address (${schemes.map((scheme) => `${scheme}://`).join(' or ')})`;
  return option(kind, fallback, described, (value) => {
    if (value === '' && fallback === '') return '';
    if (typeof value !== 'string' || !isAddress(value, schemes)) throw expected(kind, value);
    return value;
  });
};

/** The host may be missing: PostgreSQL is also reached over a socket, `postgres://user@/database?host=/run/postgresql`. */
const isAddress = (value: string, schemes: readonly string[]): boolean =>
  schemes.some((scheme) => value.startsWith(`${scheme}://`)) && URL.canParse(value.replace('@/', '@localhost/'));

interface Bounds extends Described {
  readonly min?: number;
  readonly max?: number;
}

const bounded = (kind: string, whole: boolean, fallback: number, { min = -Infinity, max = Infinity, ...described }: Bounds) => {
  const range = `${kind} from ${min === -Infinity ? 'any' : min} to ${max === Infinity ? 'any' : max}`;
  return option(kind, fallback, described, (value) => {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isFinite(number) || (whole && !Number.isSafeInteger(number)) || number < min || number > max)
      throw expected(range, value);
    return number;
  });
};

export const integer = (fallback: number, bounds: Bounds): Option<number> => bounded('integer', true, fallback, bounds);
export const decimal = (fallback: number, bounds: Bounds): Option<number> => bounded('number', false, fallback, bounds);

export const flag = (fallback: boolean, described: Described): Option<boolean> =>
  option('true or false', fallback, described, (value) => {
    if (value === true || value === 'true' || value === '1') return true;
    if (value === false || value === 'false' || value === '0') return false;
    throw expected('true or false', value);
  });

export const oneOf = <const T extends string>(values: readonly T[], fallback: T, described: Described): Option<T> =>
  option(`one of ${values.join(', ')}`, fallback, described, (value) => {
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw expected(`one of ${values.join(', ')}`, value);
    return found;
  });

/** A YAML list of texts, or a comma-separated environment value. */
export const list = (fallback: readonly string[], { check, ...described }: Checked): Option<readonly string[]> =>
  option('list of texts', fallback, described, (value) => {
    const items = typeof value === 'string' ? (value === '' ? [] : value.split(',').map((item) => item.trim())) : value;
    if (!Array.isArray(items) || items.some((item) => typeof item !== 'string')) throw expected('a list of texts', value);
    for (const item of items as readonly string[]) check?.(item);
    return items as readonly string[];
  });

/** A YAML mapping or a JSON environment value, checked by `check`, which throws an Error that says what was expected. */
export const mapping = <T extends object>(fallback: T, described: Described, check: (value: object) => T): Option<T> =>
  option('mapping', fallback, described, (value) => {
    let parsed = value;
    if (typeof value === 'string') {
      try {
        parsed = JSON.parse(value);
      } catch {
        throw expected('a JSON object', value);
      }
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw expected('a mapping', value);
    return check(parsed);
  });

export type Options = Readonly<Record<string, Option<unknown>>>;

export interface Section<Name extends string = string, Declared extends Options = Options> {
  readonly name: Name;
  readonly options: Declared;
}

export type SectionValues<S> =
  S extends Section<string, infer Declared> ? { readonly [K in keyof Declared]: Declared[K] extends Option<infer T> ? T : never } : never;

export const section = <const Name extends string, Declared extends Options>(name: Name, options: Declared): Section<Name, Declared> => ({
  name,
  options,
});

/** Every default of a section, for tests and embedded use; `changes` replace some. */
export const defaultsOf = <S extends Section>(declared: S, changes: Partial<SectionValues<S>> = {}): SectionValues<S> =>
  ({
    ...Object.fromEntries(Object.entries(declared.options).map(([key, { default: value }]) => [key, value])),
    ...changes,
  }) as SectionValues<S>;
