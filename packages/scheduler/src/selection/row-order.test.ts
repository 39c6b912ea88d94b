import { seededRandom } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { aHost, aTable } from '../testing/builders.ts';
import { RowOrder } from './row-order.ts';
import { Scores } from './scores.ts';

const ROWS = 70;
const SEED = 3_141;

test(`the best row is known whatever comes, goes and changes, several at a time (seed ${SEED})`, () => {
  const random = seededRandom(SEED);
  const upTo = (most: number) => Math.floor(random.next() * most);
  const table = aTable(...Array.from({ length: ROWS }, (_, at) => aHost({ host: `host-${at}`, memoryMbUsed: upTo(5) })));
  const multipliers = { ram: 1, cpu: 0, disk: 0, io_ops: 0, build_failure: 0, soft_affinity: 0, soft_anti_affinity: 0 };
  const byMemory = { name: 'ram', weight: (hosts: typeof table, row: number) => hosts.freeMemoryMb[row]! } as const;
  const scores = new Scores(table, [byMemory], multipliers, random);
  const members = new Set<number>();
  for (let row = 0; row < ROWS; row += 1) if (random.next() < 0.5) members.add(row);
  scores.catchUp();
  const order = new RowOrder(scores);
  order.build(ROWS, (row) => members.has(row));
  for (let round = 0; round < 2_000; round += 1) {
    const touched = Array.from({ length: 1 + upTo(6) }, () => upTo(ROWS));
    for (const row of touched) {
      if (random.next() < 0.3) members.delete(row);
      else members.add(row);
      table.put(aHost({ host: `host-${row}`, revision: round + 2, memoryMbUsed: upTo(5) }));
    }
    scores.catchUp();
    for (const row of touched) order.put(row, members.has(row));
    const expected = [...members].toSorted((a, b) => scores.of(b) - scores.of(a) || scores.tieOf(a) - scores.tieOf(b));
    expect(order.best, `round ${round}`).toBe(expected[0]);
  }
});

test('rows leave in order, and nothing is the best of nothing', () => {
  const table = aTable(...[3, 1, 2].map((used) => aHost({ host: `used-${used}`, memoryMbUsed: used })));
  const multipliers = { ram: 1, cpu: 1, disk: 1, io_ops: 1, build_failure: 1, soft_affinity: 0, soft_anti_affinity: 0 };
  const byMemory = { name: 'ram', weight: (hosts: typeof table, row: number) => hosts.freeMemoryMb[row]! } as const;
  const scores = new Scores(table, [byMemory], multipliers, seededRandom(1));
  scores.catchUp();
  const order = new RowOrder(scores);
  expect(order.best).toBeUndefined();
  order.build(table.extent, () => true);
  const left: number[] = [];
  for (let row = order.best; row !== undefined; row = order.best) {
    left.push(row);
    order.put(row, false);
  }
  expect(left).toEqual([1, 2, 0]);
});
