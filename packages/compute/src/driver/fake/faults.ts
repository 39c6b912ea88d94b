import type { Random } from '@kilonova/runtime';

/** When to go wrong, and how. A rule without `host` or `verb` is for all of them. */
export interface FaultRule {
  /** Pattern: `*` stands for any text. */
  readonly host?: string;
  readonly verb?: string;
  readonly effect: (typeof effects)[number];
  /** Share of matching calls; default all. */
  readonly probability?: number;
  /** How often at most, counted from when the rule was set; default without end. */
  readonly count?: number;
  /** The error's text. */
  readonly message?: string;
  /** For `delay`: milliseconds. */
  readonly ms?: number;
}

const effects = ['fail', 'fail-after', 'hang', 'wedge', 'delay'] as const;
const checks: Readonly<Record<string, readonly [expected: string, fits: (value: unknown) => boolean]>> = {
  host: ['text', (value) => typeof value === 'string'],
  verb: ['text', (value) => typeof value === 'string'],
  effect: [`one of ${effects.join(', ')}`, (value) => effects.some((effect) => effect === value)],
  probability: ['a number from 0 to 1', (value) => typeof value === 'number' && value >= 0 && value <= 1],
  count: ['a whole number from 0', (value) => Number.isSafeInteger(value) && (value as number) >= 0],
  message: ['text', (value) => typeof value === 'string'],
  ms: ['milliseconds from 0', (value) => typeof value === 'number' && value >= 0],
};

/** @throws Error that names the rule, the key and what was expected. */
export function parseFaults(value: object): Readonly<Record<string, FaultRule>> {
  for (const [name, rule] of Object.entries(value)) {
    if (typeof rule !== 'object' || rule === null || !('effect' in rule))
      throw new Error(`${name}: expected a mapping with the key effect`);
    for (const [key, entry] of Object.entries(rule)) {
      const check = checks[key];
      if (check === undefined) throw new Error(`${name}.${key}: expected one of ${Object.keys(checks).join(', ')}`);
      if (!check[1](entry)) throw new Error(`${name}.${key}: expected ${check[0]}, found ${JSON.stringify(entry)}`);
    }
  }
  return value as Readonly<Record<string, FaultRule>>;
}

/** Whether a pattern in which `*` stands for any text matches all of `name`. */
export const matchesHost = (pattern: string, name: string): boolean =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
      .join('.*')}$`,
  ).test(name);

/** The rules in force, and how often each was used. */
export class Faults {
  readonly #host: string;
  readonly #random: Random;
  #rules: readonly { readonly rule: FaultRule; left: number }[] = [];

  constructor(host: string, random: Random) {
    this.#host = host;
    this.#random = random;
  }

  set(rules: Readonly<Record<string, FaultRule>>): void {
    this.#rules = Object.values(rules).map((rule) => ({ rule, left: rule.count ?? Infinity }));
  }

  /** The first rule that strikes this call, which counts as its use. */
  strike(verb: string): FaultRule | undefined {
    const struck = this.#rules.find(
      ({ rule, left }) =>
        left > 0 &&
        (rule.verb === undefined || rule.verb === verb) &&
        (rule.host === undefined || matchesHost(rule.host, this.#host)) &&
        (rule.probability === undefined || this.#random.next() < rule.probability),
    );
    if (struck !== undefined) struck.left -= 1;
    return struck?.rule;
  }
}
