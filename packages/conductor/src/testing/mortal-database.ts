import type { Database } from '../db/connection.ts';

/** What happens to one transaction. */
export type Mishap =
  | 'dies before the commit'
  | 'dies after the commit' // the process is gone
  | 'fails' // once, and is rolled back
  | 'is committed without an answer' // the connection broke right then
  | 'meets something inside'
  | 'meets something after its commit'; // what `arm` was given happens right then

export interface MortalDatabase {
  readonly database: Database;
  /** Lets the mishap meet the transaction that comes as number `at` from now on, beginning with 1. */
  arm(at: number, mishap: Mishap, meets?: () => Promise<unknown>): void;
  /** Settles when the armed mishap happened. */
  readonly happened: Promise<void>;
  readonly met: () => boolean;
  readonly isDead: () => boolean;
  /** Transactions since `arm`, or since the start. */
  readonly count: () => number;
}

/** A process's view of the database that ends with the process: after a death nothing comes through any more. */
export function mortal(knex: Database): MortalDatabase {
  let armed: { at: number; mishap: Mishap; meets: () => Promise<unknown> } | null = null;
  let count = 0;
  let dead = false;
  let met = false;
  let settle: () => void = () => undefined;
  const happened = new Promise<void>((resolve) => (settle = resolve));
  const tell = () => {
    met = true;
    settle();
  };
  const never = () => new Promise<never>(() => undefined);

  const transaction = async (act: (trx: unknown) => Promise<unknown>): Promise<unknown> => {
    if (dead) return never();
    count += 1;
    const mishap = armed?.at === count ? armed.mishap : null;
    if (mishap === null) {
      const result = await (knex.transaction as (act: unknown) => Promise<unknown>)(act);
      return dead ? never() : result;
    }
    const { meets } = armed!;
    if (mishap.startsWith('meets')) {
      const result = await (knex.transaction as (act: unknown) => Promise<unknown>)(async (trx: unknown) => {
        const done = await act(trx);
        // It may wait for what this transaction has locked.
        if (mishap === 'meets something inside') void meets().finally(tell);
        return done;
      });
      if (mishap === 'meets something after its commit') await meets().finally(tell);
      return result;
    }
    const rolledBack = mishap === 'dies before the commit' || mishap === 'fails';
    await (knex.transaction as (act: unknown) => Promise<unknown>)(async (trx: unknown) => {
      await act(trx);
      if (mishap === 'dies before the commit') dead = true;
      if (rolledBack) throw new Error('mishap');
    }).catch((error: Error) => {
      if (error.message !== 'mishap') throw error;
    });
    if (mishap === 'dies after the commit') dead = true;
    tell();
    if (dead) return never();
    throw Object.assign(new Error('mishap'), mishap === 'is committed without an answer' ? { code: '08006' } : {});
  };
  const database = new Proxy(knex, {
    get(target, name) {
      if (name === 'transaction') return transaction;
      const member = Reflect.get(target, name) as unknown;
      if (name === 'raw')
        return (...given: unknown[]) => (dead ? never() : (member as (...given: unknown[]) => unknown).apply(target, given));
      return typeof member === 'function' ? (member as (...given: unknown[]) => unknown).bind(target) : member;
    },
  });
  return {
    database,
    happened,
    arm: (at, mishap, meets = async () => undefined) => {
      count = 0;
      armed = { at, mishap, meets };
    },
    met: () => met,
    isDead: () => dead,
    count: () => count,
  };
}
