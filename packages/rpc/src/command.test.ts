import { expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { runCommand } from './command.ts';

async function run(...args: readonly string[]) {
  const said: string[] = [];
  const complained: string[] = [];
  const code = await runCommand(args, {}, { say: (line) => said.push(line), complain: (line) => complained.push(line) });
  return { code, said: said.join('\n'), complained: complained.join('\n') };
}

test.each([['--help'], ['-h'], ['dead-letters', '--help'], ['accounts', 'print', '--help']])('%s says how it is used', async (...args) => {
  const { code, said, complained } = await run(...args);
  expect({ code, complained }).toEqual({ code: 0, complained: '' });
  expect(said).toMatch(/kilonova-rpc dead-letters list[^]*kilonova-rpc accounts print/);
});

test('it says its version', async () => {
  expect(await run('--version')).toEqual({ code: 0, said: manifest.version, complained: '' });
});

test('what was asked in a wrong way is said first, and then how it is used', async () => {
  const { code, said, complained } = await run('--helf');
  expect({ code, said }).toEqual({ code: 2, said: '' });
  expect(complained).toMatch(/Unknown option '--helf'[^]*kilonova-rpc dead-letters list/);
});
