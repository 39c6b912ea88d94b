import type { Clock } from '@kilonova/runtime';
import type { DatabaseConfig } from '../config.ts';
import { openDatabase } from './connection.ts';

export interface ProbeOptions {
  readonly clients: number;
  /** Milliseconds for each rate. */
  readonly ms: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface DatabaseRates {
  /** Transactions that insert one row, by all clients together. */
  readonly commitsPerS: number;
  /** Rows read by their key. */
  readonly readsPerS: number;
}

const ROWS = 10_000;

/** What this database does just now with statements by hand, to compare other figures with. Makes a table of its own and drops it. */
export async function probeDatabase(config: DatabaseConfig, { clients, ms, clock, signal }: ProbeOptions): Promise<DatabaseRates> {
  const knex = openDatabase({ ...config, poolMax: clients });
  const rateOf = async (act: (round: number) => Promise<unknown>): Promise<number> => {
    const began = clock.monotonic();
    let rounds = 0;
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (!signal.aborted && clock.monotonic() - began < ms) {
          await act(rounds++);
        }
      }),
    );
    return (rounds * 1_000) / (clock.monotonic() - began);
  };
  try {
    await knex.raw('drop table if exists kilonova_probe');
    await knex.raw(`create table kilonova_probe as select id, 'x' as text from generate_series(1, ${ROWS}) id`);
    await knex.raw('alter table kilonova_probe add primary key (id)');
    const readsPerS = await rateOf((round) => knex.raw('select text from kilonova_probe where id = ?', [(round % ROWS) + 1]));
    const commitsPerS = await rateOf((round) => knex.raw('insert into kilonova_probe (id, text) values (?, ?)', [ROWS + 1 + round, 'x']));
    return { commitsPerS, readsPerS };
  } finally {
    await knex.raw('drop table if exists kilonova_probe').catch(() => undefined);
    await knex.destroy();
  }
}
