import { Client } from 'pg';

/** Looks at the database from outside of the simulation. */
export class Observer {
  readonly #client: Client;
  /** One after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(url: string): Promise<Observer> {
    const client = new Client({ connectionString: url, application_name: 'kilonova-simulation', options: '-c timezone=UTC' });
    await client.connect();
    return new Observer(client);
  }

  rows<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const result = this.#last.then(async () => (await this.#client.query<Row>(sql, [...values])).rows);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Which of these backends wait for a lock that a session has. What the server's own upkeep locks is free again in a moment, and is waited for. */
  async blocked(pids: readonly number[]): Promise<ReadonlySet<number>> {
    const rows = await this.rows<{ pid: number }>(
      `select pid from unnest($1::int[]) as asked (pid)
       where exists (select from unnest(pg_blocking_pids(asked.pid)) as by (pid) join pg_stat_activity a using (pid) where a.backend_type = 'client backend')`,
      [pids],
    );
    return new Set(rows.map(({ pid }) => pid));
  }

  /** Ends these backends and settles when they are gone. */
  async terminate(pids: readonly number[]): Promise<void> {
    if (pids.length === 0) return;
    await this.rows('select pg_terminate_backend(pid) from unnest($1::int[]) as asked (pid)', [pids]);
    for (;;) {
      const [left] = await this.rows<{ count: number }>('select count(*)::int as count from pg_stat_activity where pid = any ($1::int[])', [
        pids,
      ]);
      if (left?.count === 0) return;
    }
  }

  end(): Promise<void> {
    return this.#client.end();
  }
}
