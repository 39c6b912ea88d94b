/** What is kept and mended gives the answers of a plain pass over all hosts, whatever happens in between. */
import { defaultsOf, seededRandom } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { schedulerSection } from '../config.ts';
import { enabledFilters } from '../filters/index.ts';
import { Both } from '../testing/both.ts';
import { madeUp } from '../testing/made-up.ts';
import { hostWeighers, requestWeighers } from '../weighers/index.ts';
import type { Policy } from './selector.ts';

const policyOf = (changes: Partial<Policy>): Policy => ({
  filters: enabledFilters(defaultsOf(schedulerSection, { isolatedHosts: ['host-7'], maxInstancesPerHost: 9 })),
  hostWeighers,
  requestWeighers,
  multipliers: { ram: 1, cpu: 1, disk: 1, io_ops: -1, build_failure: 1_000_000, soft_affinity: 10, soft_anti_affinity: 10 },
  hostSubsetSize: 1,
  maxAlternates: 5,
  maxKeptOrders: 64,
  ...changes,
});

const STEPS = 1_500;

test.each([
  { title: 'everything is kept', seed: 11, changes: {}, maxKeptSets: 256 },
  { title: 'little is kept, so that most is made anew', seed: 12, changes: { maxKeptOrders: 3 }, maxKeptSets: 3 },
  { title: 'one of several best is drawn', seed: 13, changes: { hostSubsetSize: 4 }, maxKeptSets: 256 },
  {
    title: 'full hosts are preferred',
    seed: 14,
    changes: { multipliers: { ...policyOf({}).multipliers, ram: -1, cpu: -0.5, io_ops: 0 } },
    maxKeptSets: 256,
  },
])('answers are those of a plain pass over all hosts: $title (seed $seed)', ({ seed, changes, maxKeptSets }) => {
  const random = seededRandom(seed);
  const made = madeUp(random);
  const both = new Both(policyOf(changes), maxKeptSets, random);
  for (let round = 0; round < 30; round += 1) both.put(made.host(made.name(), 1));
  for (let step = 0; step < STEPS; step += 1) {
    const drawn = random.next();
    const host = made.name();
    if (drawn < 0.5) both.ask(made.request(), `step ${step}`);
    else if (drawn < 0.7) both.claim();
    else if (drawn < 0.85) both.put(made.host(host, both.revisionOf(host) + 1));
    else if (drawn < 0.88) both.put(made.host(host, both.revisionOf(host) - 1));
    else if (drawn < 0.9) both.replace(made.host(host, 1));
    else if (drawn < 0.92) both.remove(host);
    else if (drawn < 0.99) both.pass(200);
    // More than is remembered of changes.
    else for (let change = 0; change < 300; change += 1) both.put(made.host(host, both.revisionOf(host) + 1));
  }
  // Every branch was taken: hosts were found, and missing.
  expect(both.seen.placed).toBeGreaterThan(300);
  expect(both.seen.refused).toBeGreaterThan(30);
  expect(both.seen.several).toBeGreaterThan(50);
});
