/** What the requests of one batch take of their projects' quotas, one after the other, as if each had been alone. */
import type { BoundedChange, Payer, Usage } from '../db/quota-usages.ts';
import { serversThatFit, type Wanted } from './server-count.ts';

interface Account {
  readonly payer: Payer;
  readonly used: Usage;
  readonly limits: Usage;
  taken: Usage;
}

const NOTHING: Usage = { instances: 0, cores: 0, ram: 0 };
const plus = (one: Usage, other: Usage): Usage => ({
  instances: one.instances + other.instances,
  cores: one.cores + other.cores,
  ram: one.ram + other.ram,
});
const times = (count: number, each: Usage): Usage => ({ instances: count, cores: count * each.cores, ram: count * each.ram });

export class QuotaBook {
  readonly #accounts = new Map<string, Account>();

  /** What the row of a project (no user) or of a user holds, and what it may reach. The first word counts. */
  open(payer: Payer, used: Usage, { instances, cores, ram }: Usage): void {
    const key = keyOf(payer);
    if (!this.#accounts.has(key)) this.#accounts.set(key, { payer, used, taken: NOTHING, limits: { instances, cores, ram } });
  }

  /** As many servers as still fit the project and the user, or the text of the refusal. Both accounts must be open. */
  fit(payer: Payer, wanted: Wanted): ReturnType<typeof serversThatFit> {
    return serversThatFit(
      wanted,
      this.#accountsOf(payer).map(({ used, taken, limits }) => ({ limits, used: plus(used, taken) })),
    );
  }

  take(payer: Payer, count: number, each: Usage): void {
    for (const account of this.#accountsOf(payer)) account.taken = plus(account.taken, times(count, each));
  }

  /** What is to be counted in, one change per row. */
  get changes(): readonly BoundedChange[] {
    return [...this.#accounts.values()]
      .filter(({ taken }) => taken.instances > 0)
      .map(({ payer, taken, limits }) => ({ ...payer, ...taken, limits }));
  }

  #accountsOf({ projectId, userId }: Payer): readonly Account[] {
    return ['', userId].map((user) => {
      const account = this.#accounts.get(keyOf({ projectId, userId: user }));
      if (account === undefined) throw new Error(`no quota account of ${JSON.stringify([projectId, user])} was opened`);
      return account;
    });
  }
}

const keyOf = ({ projectId, userId }: Payer) => JSON.stringify([projectId, userId]);
