import { expect, test } from 'vitest';
import type { Transaction } from '../../db/connection.ts';
import { coldWords } from './cold-move.ts';
import type { MoveItem } from './move.ts';
import { endingOf } from './unwound-move.ts';

test('how a move goes on is decided once for all that is undone in a transaction, also when its time ends meanwhile', () => {
  const item = {
    id: 'task',
    params: { host: 'h1', silent: { destination: { host: 'h2', node: 'h2', generation: 2 }, sent: true, asking: { until: 10, from: 0 } } },
    ...{ outputs: {}, cancel: null, failure: { message: 'no answer', unanswered: true } },
  } as unknown as MoveItem;
  let now = 9;
  const services = { clock: { now: () => now }, knows: () => true } as unknown as Parameters<typeof endingOf>[3];
  const [first, later] = [{}, {}] as [Transaction, Transaction];
  expect(endingOf(first, item, coldWords, services)).toBe('ask on');
  now = 11;
  expect(endingOf(first, item, coldWords, services)).toBe('ask on');
  expect(endingOf(later, item, coldWords, services)).toBe('lost');
});
