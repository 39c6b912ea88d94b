import { expect, test } from 'vitest';
import { runCommandLine } from '../cli/run.ts';
import { bench } from '../commands/bench.ts';

test('a file that cannot be written is refused before anything is measured', async () => {
  let err = '';
  const args = ['bench', 'scheduler', '--json', '/nowhere/at/all.json'];
  const code = await runCommandLine([bench], args, { out: () => undefined, err: (text) => (err += text) });
  expect(code).toBe(2);
  expect(err).toContain("--json: cannot be written: ENOENT: no such file or directory, open '/nowhere/at/all.json'");
});
