import { expect, test } from 'vitest';
import { runCommandLine } from '../cli/run.ts';
import { compute } from './compute.ts';
import { straysAdopt, straysRelease } from './strays.ts';

const UUID = '11111111-2222-4333-8444-555555555555';
/** Nobody listens there: what is refused is refused before the database is asked. */
const NOWHERE = ['--set', 'database.url=postgres://nobody@127.0.0.1:1/none'];

test.each([
  { args: ['compute', '--host-prefix', 'rack'], says: '--host-prefix names fake hosts: expected --fake-hosts N with it' },
  { args: ['compute', '--first-fake-host', '5'], says: '--first-fake-host names fake hosts: expected --fake-hosts N with it' },
  { args: ['strays', 'release', '--host', 'a,b', UUID], says: 'expected the name of one host, found "a,b"' },
  { args: ['strays', 'release', '--host', 'host-1', 'soon'], says: 'found "soon", which is no UUID' },
  { args: ['strays', 'adopt', '--host', 'host-1', UUID, 'soon'], says: 'found "soon", which is no UUID' },
  { args: ['strays', 'release', '--host', '', UUID], says: 'expected names of hosts separated by commas, found ""' },
])('$args is refused', async ({ args, says }) => {
  let err = '';
  const commands = [compute, straysAdopt, straysRelease];
  const code = await runCommandLine(commands, [...args, ...NOWHERE], { out: () => undefined, err: (text) => (err += text) });
  expect(code).toBe(2);
  expect(err).toContain(says);
});
