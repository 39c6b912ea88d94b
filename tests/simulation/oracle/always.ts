import { invariants, openDatabase, type Database } from '@kilonova/conductor';
import type { World } from '../world/world.ts';

const RUNNING = 1;
/** The design: every task ends by its deadline, and what clears up after it needs no longer than this. */
const OVERDUE_MS = 30_000;
const NEVER_MS = 1e9;

/** What holds at every moment, whatever goes wrong. */
export class Oracle {
  looks = 0;
  readonly #world: World;
  readonly #knex: Database;
  readonly #found = new Set<string>();
  readonly #deleted = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    this.#knex = openDatabase({ ...world.databaseConfig, poolMax: 2 });
  }

  /** Every violation that was ever seen. */
  get violations(): readonly string[] {
    return [...this.#found];
  }

  /** @param calmSinceMs when everything went well again: as long as it does not, a task may be late */
  async look(calmSinceMs = Infinity): Promise<void> {
    this.looks += 1;
    const calmForMs = this.#world.clock.monotonic() - calmSinceMs;
    await this.#lookAtRows(calmForMs > OVERDUE_MS ? OVERDUE_MS : NEVER_MS);
    this.#lookAtDomains();
    for (const complaint of this.#world.complaints.splice(0))
      if (complaint.includes('invariant') && !complaint.includes('tasks_end')) this.#find(complaint);
  }

  end(): Promise<void> {
    return this.#knex.destroy();
  }

  #find(what: string): void {
    if (this.#found.has(what)) return;
    this.#found.add(what);
    this.#world.trace.note('oracle', what);
  }

  /** The conductor's own invariants, and that what was deleted stays deleted. */
  async #lookAtRows(overdueMs: number): Promise<void> {
    const now = new Date(this.#world.clock.now()).toISOString();
    await this.#knex.transaction(async (trx) => {
      await trx.raw(`select set_config('kilonova.now', ?, true)`, [now]);
      for (const { name, find } of invariants)
        for (const { subject, detail } of await find(trx, { limit: 5, overdueMs })) this.#find(`${name}: ${subject}: ${detail}`);
    });
    const rows = await this.#world.observer.rows<{ uuid: string; deleted: boolean }>(
      `select uuid, deleted_at is not null as deleted from instances order by uuid`,
    );
    for (const { uuid, deleted } of rows) {
      if (deleted) this.#deleted.add(uuid);
      else if (this.#deleted.has(uuid)) this.#find(`${uuid} was deleted and is there again`);
    }
  }

  /** No guest runs twice. */
  #lookAtDomains(): void {
    const runs = new Map<string, string>();
    for (const agent of this.#world.agents) {
      for (const { uuid, power, generation } of agent.domains()) {
        if (power !== RUNNING) continue;
        const here = `${agent.name} (generation ${generation})`;
        const there = runs.get(uuid);
        if (there !== undefined) this.#find(`${uuid} runs on ${there} and on ${here}`);
        runs.set(uuid, here);
      }
    }
  }
}
