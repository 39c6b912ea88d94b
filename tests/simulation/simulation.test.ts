/** A whole control plane in one process, under one seed: users, faults and crashes at any step, and what must hold all the same. */
import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Template } from './database/fresh.ts';
import { planned } from './seeds.ts';
import { type Outcome, simulate } from './simulate.ts';
import { complaintOf, firstDifference, lineOf, summaryOf } from './telling.ts';

const { seeds, traceFile } = planned();
const [first] = seeds;
const outcomes: Outcome[] = [];
/** Every event under the first seed. */
const firstEvents: string[] = [];
let template: Template;

beforeAll(async () => {
  template = await Template.make();
});
afterAll(async () => {
  await template.drop();
  if (outcomes.length > 0) process.stdout.write(`${summaryOf(outcomes)}\n`);
});

test.each(seeds)('whatever goes wrong under seed %i, every request comes true once and nothing is left over', async (seed) => {
  const outcome = await simulate(template, seed, (line) => {
    if (seed === first) firstEvents.push(line);
    if (traceFile !== undefined) appendFileSync(traceFile, `${line}\n`);
  });
  outcomes.push(outcome);
  process.stdout.write(`${lineOf(outcome)}\n`);
  expect(complaintOf(outcome)).toBe('');
});

test('a seed gives the same events every time', async () => {
  expect(firstEvents).not.toEqual([]);
  const again: string[] = [];
  await simulate(template, first!, (line) => again.push(line));
  expect(firstDifference(firstEvents, again)).toBeUndefined();
});
