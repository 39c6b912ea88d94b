import type { Logger } from '@kilonova/runtime';
import { Counter, Gauge, type Registry } from 'prom-client';
import { poolOf, type Database } from './db/connection.ts';
import { countCleanups } from './db/cleanups.ts';
import { countStrays, standings } from './db/strays.ts';
import { countLive, liveStates, longestDueSeconds } from './db/tasks.ts';

/**
 * Figures of the database's use, and of what is under way in the whole control plane: read when somebody asks for them.
 *
 * @param kinds of tasks that there may be
 * @returns what ends the counting of statements: a database that was handed in outlives its conductor.
 */
export function databaseMetrics(registry: Registry, knex: Database, log: Logger, kinds: readonly string[]): () => void {
  const registers = [registry];
  const statements = new Counter({ name: 'kilonova_database_statements_total', help: 'Statements sent to the database.', registers });
  const counted = () => statements.inc();
  knex.on('query', counted);
  const asked = (read: (gauge: Gauge) => Promise<void>) =>
    async function collect(this: Gauge): Promise<void> {
      try {
        await read(this);
      } catch (error) {
        log.debug({ error: String(error) }, 'figures not read');
      }
    };
  const figures = [
    new Gauge({
      ...{ name: 'kilonova_tasks_due_seconds', help: 'How long the task waits in vain that is due for longest.', registers: [] },
      collect: asked(async (gauge) => gauge.set(await longestDueSeconds(knex))),
    }),
    new Gauge({
      ...{ name: 'kilonova_tasks', help: 'Live tasks.', labelNames: ['kind', 'state'], registers: [] },
      collect: asked(async (gauge) => {
        const counts = await countLive(knex);
        gauge.reset();
        // A rule that waits for 0 finds nothing where there is no series.
        for (const kind of kinds) for (const state of liveStates) gauge.set({ kind, state }, 0);
        for (const { kind, state, count } of counts) gauge.set({ kind, state }, count);
      }),
    }),
    new Gauge({
      ...{ name: 'kilonova_cleanups', help: 'Leftovers that hosts have not confirmed as removed.', registers: [] },
      collect: asked(async (gauge) => gauge.set(await countCleanups(knex))),
    }),
    new Gauge({
      ...{ name: 'kilonova_database_connections', help: 'Connections of this process to the database, and queries that wait for one.' },
      ...{ labelNames: ['state'], registers: [] },
      collect: asked(async (gauge) => {
        const { used, free, waiting } = poolOf(knex);
        for (const [state, count] of Object.entries({ used, free, waiting })) gauge.set({ state }, count);
      }),
    }),
    new Gauge({
      ...{ name: 'kilonova_database_connections_limit', help: 'Connections that this process may keep.', registers: [] },
      collect: asked(async (gauge) => gauge.set(poolOf(knex).limit)),
    }),
    new Gauge({
      ...{
        name: 'kilonova_strays',
        help: 'Domains that hosts show without being given them.',
        labelNames: ['host', 'standing'],
        registers: [],
      },
      collect: asked(async (gauge) => {
        const counts = await countStrays(knex);
        gauge.reset();
        // Without a host: there may be ten thousand.
        for (const standing of standings) gauge.set({ standing }, 0);
        for (const { host, standing, count } of counts) gauge.set({ host, standing }, count);
      }),
    }),
  ];
  for (const figure of figures) registry.registerMetric(figure);
  return () => void knex.removeListener('query', counted);
}
