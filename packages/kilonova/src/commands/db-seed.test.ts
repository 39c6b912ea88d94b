import { expect, test } from 'vitest';
import { runCommandLine } from '../cli/run.ts';
import { dbSeed } from './db-seed.ts';

/** Nobody listens there: what is refused is refused before the database is asked. */
const NOWHERE = ['--set', 'database.url=postgres://nobody@127.0.0.1:1/none'];

test.each([
  {
    args: ['--remove', '--project', 'a'],
    says: '--remove takes all seeded servers away, whoever has them: --project cannot be given with it',
  },
  { args: ['--remove', '--servers', '5', '--user', 'ann'], says: '--servers, --user cannot be given with it' },
  { args: ['--project', ''], says: 'expected an id (letters, digits, ".", "_" and "-"), found ""' },
  { args: ['--project', 'no such'], says: 'found "no such"' },
  { args: ['--project', 'a', '--user', ''], says: 'found ""' },
])('db seed $args is refused', async ({ args, says }) => {
  let err = '';
  const code = await runCommandLine([dbSeed], ['db', 'seed', ...args, ...NOWHERE], { out: () => undefined, err: (text) => (err += text) });
  expect(code).toBe(2);
  expect(err).toContain(says);
});
