import { readFileSync } from 'node:fs';
import { version as wire } from '@kilonova/objects';
import { expect, test } from 'vitest';
import { UsageError, type Command } from './command.ts';
import { runCommandLine } from './run.ts';

const typed: { hosts: number | undefined; zones: readonly string[]; quiet: boolean }[] = [];
const up: Command = {
  name: 'up',
  summary: 'Start a cloud.',
  options: {
    hosts: { value: 'N', help: 'Hosts.', default: '4' },
    zone: { value: 'NAME', help: 'A zone.', repeated: true },
    quiet: { help: 'Say less.' },
  },
  run: async (given) => {
    typed.push({ hosts: given.number('hosts', { min: 1, max: 9 }), zones: given.all('zone'), quiet: given.switch('quiet') });
    return 0;
  },
};
const failing = (name: string, error: Error): Command => ({ name, summary: 'Fail.', options: {}, run: () => Promise.reject(error) });
const commands = [up, failing('db migrate', new Error('no database')), failing('usage', new UsageError('not like this'))];

const run = async (...args: string[]) => {
  let [out, err] = ['', ''];
  const code = await runCommandLine(commands, args, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
};

test('options reach the command, defaults included', async () => {
  expect((await run('up', '--zone', 'a', '--zone=b', '--quiet')).code).toBe(0);
  expect(typed.at(-1)).toEqual({ hosts: 4, zones: ['a', 'b'], quiet: true });
});

test.each([
  { title: 'an unknown command', args: ['upp'], says: 'unknown command "upp" (did you mean "up"?)' },
  { title: 'an unknown second word', args: ['db', 'migrat'], says: 'unknown command "db migrat" (did you mean "db migrate"?)' },
  { title: 'half a command', args: ['db'], says: '"db" is no command by itself: expected "db migrate"' },
  { title: 'help for what is no command', args: ['help', 'upp'], says: 'unknown command "upp" (did you mean "up"?)' },
  { title: 'an unknown option', args: ['up', '--host', '3'], says: 'unknown option --host (did you mean "--hosts"?)' },
  { title: 'a missing value', args: ['up', '--hosts'], says: '--hosts needs a value: --hosts N' },
  { title: 'a value for a switch', args: ['up', '--quiet=yes'], says: '--quiet takes no value, found "yes"' },
  { title: 'an option given twice', args: ['up', '--hosts', '1', '--hosts', '2'], says: '--hosts is given twice' },
  { title: 'a word too many', args: ['up', 'now'], says: 'unexpected "now"' },
  {
    title: 'something that is no number',
    args: ['up', '--hosts', 'many'],
    says: '--hosts: expected a whole number from 1 to 9, found "many"',
  },
  { title: 'a number out of bounds', args: ['up', '--hosts', '10'], says: '--hosts: expected a whole number from 1 to 9, found "10"' },
  { title: 'what a command cannot mean', args: ['usage'], says: 'not like this' },
  { title: 'no command at all', args: [], says: 'Usage: kilonova COMMAND' },
])('$title ends with code 2 and says what is wrong', async ({ args, says }) => {
  const { code, out, err } = await run(...args);
  expect(code).toBe(2);
  expect(out + err).toContain(says);
});

test('what fails ends with code 1 and its message', async () => {
  expect(await run('db', 'migrate')).toEqual({ code: 1, out: '', err: 'kilonova db migrate: no database' });
});

test('help lists every option of a command, and is no failure', async () => {
  const { code, out } = await run('up', '--hosts', '--help');
  expect(code).toBe(0);
  for (const part of ['--hosts N', '(default 4)', '--zone NAME', '--quiet']) expect(out).toContain(part);
});

test.each([
  ['help', 'up'],
  ['help', 'db', 'migrate'],
])('%s %s is the help of the command', async (...args) => {
  const { code, out } = await run(...args);
  expect([code, out.split('\n')[0]]).toEqual([0, `Usage: kilonova ${args.slice(1).join(' ')} [options]`]);
});

test('the version is that of the package, with what it speaks', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  expect(await run('--version')).toEqual({ code: 0, out: `kilonova ${version} (wire version ${wire})`, err: '' });
});
