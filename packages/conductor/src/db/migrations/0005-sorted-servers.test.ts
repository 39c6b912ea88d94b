import { expect, onTestFinished, test } from 'vitest';
import { freshDatabase } from '../../testing/fresh-database.ts';
import { rowsOf } from '../rows.ts';
import { seedDatabase } from '../seed/seed.ts';
import { up } from './0005-sorted-servers.ts';

test('indexes of a run that ended in the middle are made anew, and the others stay', async () => {
  const database = await freshDatabase();
  onTestFinished(() => database.close());
  const { knex } = database;
  await seedDatabase(database.config, { servers: 20, projectIds: ['demo'], userId: 'ann' });
  const indexes = () =>
    rowsOf<{ name: string; definition: string }>(
      knex,
      `select c.relname as name, pg_get_indexdef(c.oid) as definition from pg_index x join pg_class c on c.oid = x.indexrelid
       where x.indrelid = cast('instances' as regclass) and x.indisvalid order by 1`,
    );
  const whole = await indexes();
  await knex.raw('drop index instances_locked, instances_node');
  // Left behind by what was not finished: there, and not valid.
  await expect(knex.raw('create unique index concurrently instances_locked on instances (user_id)')).rejects.toThrow('instances_locked');
  await up(knex);
  expect(await indexes()).toEqual(whole);
});
