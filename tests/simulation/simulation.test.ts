import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Template } from './database/fresh.ts';
import { type Outcome, simulate } from './simulate.ts';

let template: Template;
beforeAll(async () => {
  template = await Template.make();
});
afterAll(() => template.drop());

const seeds = (process.env['SEEDS'] ?? '1').split(',').flatMap((part) => {
  const [from, to] = part.split('-').map(Number);
  return Array.from({ length: (to ?? from!) - from! + 1 }, (_, i) => from! + i);
});

const say = (o: Outcome) =>
  `seed ${o.seed}: ${(o.virtualMs / 1000).toFixed(0)} s in ${(o.realMs / 1000).toFixed(1)} s (${(o.virtualMs / o.realMs).toFixed(0)}x), ${o.events} events, ${o.statements} statements, ${JSON.stringify(o.asked)} ${JSON.stringify([...o.faults])} ${o.digest.slice(0, 8)}`;

test.each(seeds)('seed %s', async (seed) => {
  const trace = process.env['TELL'];
  const o = await simulate(template, seed, trace === undefined ? undefined : (line) => appendFileSync(trace, `${line}\n`));
  console.log(say(o));
  if (process.env['TWICE']) expect((await simulate(template, seed)).digest).toBe(o.digest);
  expect(o.violations).toEqual([]);
});
