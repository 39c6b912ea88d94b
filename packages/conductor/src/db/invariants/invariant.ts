import type { Knex } from 'knex';

/** One place where an invariant does not hold. */
export interface Violation {
  /** What it is about, the same as long as it lasts: `quota_usages demo/ann`. */
  readonly subject: string;
  /** What is there and what should be. */
  readonly detail: string;
}

/** What a repair may use, and what it has to tell. */
export interface Repair {
  /** Hosts whose rows changed, of which schedulers must hear. */
  readonly hosts?: readonly string[];
}

/**
 * Something that holds after every commit, whatever runs, dies or comes twice. `find` reads with one statement, so that
 * work going on makes no false finding.
 */
export interface Invariant<V extends Violation = Violation> {
  /** Of metrics and logs. */
  readonly name: string;
  /** The sentence that is true. */
  readonly holds: string;
  /** At most `limit`, in an order that stays. */
  find(knex: Knex, limits: FindLimits): Promise<readonly V[]>;
  /** Only where the truth is known. It locks what it changes and looks again: what was found may have changed. */
  readonly repair?: (trx: Knex.Transaction, violation: V) => Promise<Repair>;
}

export interface FindLimits {
  readonly limit: number;
  /** How long after its deadline a task may still be ending. */
  readonly overdueMs: number;
}

/** Forgets which kind of violation an invariant's repair wants: it gets its own. */
export const invariant = <V extends Violation>(given: Invariant<V>): Invariant => given as object as Invariant;
