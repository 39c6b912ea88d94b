/** The given values, and the defaults of those not given; only the names that have a default. */
export const withDefaults = <T extends object>(defaults: T, given: Partial<T>): T =>
  Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, given[name as keyof T] ?? value])) as T;

/** @throws TypeError naming the first value that is a number, or should be one, and not above 0. */
export function checkPositive(who: string, values: object): void {
  for (const [name, value] of Object.entries(values))
    if (!(typeof value === 'number' && value > 0)) throw new TypeError(`${who}: ${name}: expected a number above 0, got ${String(value)}`);
}
