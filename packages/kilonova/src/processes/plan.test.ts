import { expect, test } from 'vitest';
import { loadSections } from '../config/sections.ts';
import { planProcesses } from './plan.ts';

const passwords = { admin: 'a', demo: 'd', service: 's3cret' };
const options = {
  apis: 2,
  conductors: 2,
  schedulers: 1,
  computeProcesses: 3,
  hosts: 10,
  zones: [],
  standalone: true,
  state: '/state',
  flags: {},
};
const plan = (changes: Partial<typeof options> = {}) =>
  planProcesses(
    { ...options, ...changes },
    loadSections({ flags: { 'broker.urls': 'amqp://u:p@rabbit/', 'database.url': 'postgres://db/kilonova' } }),
    passwords,
  );

test('what others need starts before them', () => {
  expect(plan().map((group) => group.map(({ name }) => name))).toEqual([
    ['standalone'],
    ['conductor-1', 'conductor-2'],
    ['scheduler-1'],
    ['compute-1', 'compute-2', 'compute-3'],
    ['api-1', 'api-2'],
  ]);
});

test('every host is served by exactly one compute process', () => {
  const hosts = plan()
    .flat()
    .filter(({ name }) => name.startsWith('compute'))
    .flatMap(({ args }) => {
      const [count, first] = [Number(args[2]), Number(args[4])];
      return Array.from({ length: count }, (_, index) => first + index);
    });
  expect(hosts).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('only the first api has the port that is configured, also when it was given for all', () => {
  expect(
    plan()
      .at(-1)!
      .map(({ settings }) => settings),
  ).toEqual([[], ['api.port=0']]);
});

test('only conductors get the database of the control plane', () => {
  const holders = plan()
    .flat()
    .filter(({ env }) => JSON.stringify(env).includes('postgres://db/kilonova"'))
    .map(({ name }) => name);
  expect(holders).toEqual(['conductor-1', 'conductor-2']);
});

test('no secret is among the arguments, which every user of the machine can read', () => {
  const args = JSON.stringify(
    plan()
      .flat()
      .map((one) => one.args),
  );
  for (const secret of ['s3cret', 'u:p', 'postgres://']) expect(args).not.toContain(secret);
});

test('without the built-in services the identity service of the configuration counts', () => {
  const [none, ...rest] = plan({ standalone: false });
  expect(none).toEqual([]);
  expect(JSON.stringify(rest)).not.toContain('KILONOVA_AUTH');
});
