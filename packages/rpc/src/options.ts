import { kindOf } from './codec/fields.ts';

/** The longest wait: what a timer of Node holds (24.8 days), and less than what RabbitMQ takes as an expiration; milliseconds. */
export const MOST_WAIT_MS = 2_147_483_647;

/** The most unfinished messages that a broker hands over per queue: AMQP has two bytes for the number. Infinity is for what is never acknowledged. */
export const MOST_PREFETCH = 65_535;

/** The given values, and the defaults of those not given; only the names that have a default. */
export const withDefaults = <T extends object>(defaults: T, given: Partial<T>): T =>
  Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, given[name as keyof T] ?? value])) as T;

/**
 * @param endless names of waits that may be Infinity, for they are made of shorter ones
 * @throws TypeError naming the first value that is a number, or should be one, and not above 0, and the first wait that is too long.
 */
export function checkPositive(who: string, values: object, endless: readonly string[] = []): void {
  for (const [name, value] of Object.entries(values)) {
    if (name.endsWith('Ms') && !endless.includes(name)) checkWait(`${who}: ${name}`, value);
    else if (!(typeof value === 'number' && value > 0))
      throw new TypeError(`${who}: ${name}: expected a number above 0, got ${shown(value)}`);
  }
}

/**
 * For whatever sets a timer or a message's expiration: a value beyond ends at once at the timer, and ends the channel at the broker.
 *
 * @throws TypeError for what is given and no such time
 */
export function checkWait(what: string, ms: unknown): void {
  if (ms === undefined || (typeof ms === 'number' && ms > 0 && ms <= MOST_WAIT_MS)) return;
  throw new TypeError(`${what}: expected milliseconds above 0 and up to ${MOST_WAIT_MS} (24.8 days), got ${shown(ms)}`);
}

/** A value in an error about it: a text in quotes, so that '5' is told from 5. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value);
}
