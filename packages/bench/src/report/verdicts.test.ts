import { expect, test } from 'vitest';
import type { Target } from '../cases/case.ts';
import { shown } from './table.ts';
import { inWords, judge, mediansOf } from './verdicts.ts';

const either = { figure: 'reconnect_s', atMost: 60, or: { figure: 'reconnect_vs_raw', atMost: 1.5 } } as const;

interface Row {
  readonly title: string;
  readonly target: Target;
  readonly figures: Readonly<Record<string, number>>;
  readonly verdict: string;
}

test.each<Row>([
  { title: 'a bound that is reached is met', target: { figure: 'rate', atLeast: 200 }, figures: { rate: 200 }, verdict: 'met' },
  { title: 'one that is not reached is missed', target: { figure: 'rate', atLeast: 200 }, figures: { rate: 199.9 }, verdict: 'missed' },
  { title: 'one above what is allowed is missed', target: { figure: 'p99', atMost: 2 }, figures: { p99: 2.1 }, verdict: 'missed' },
  { title: 'what has no figure is not measured', target: { figure: 'rate', atLeast: 1 }, figures: {}, verdict: 'not measured' },
  { title: 'the other of two is enough', target: either, figures: { reconnect_s: 70, reconnect_vs_raw: 1.2 }, verdict: 'met' },
  { title: 'neither of two is missed', target: either, figures: { reconnect_s: 70, reconnect_vs_raw: 1.6 }, verdict: 'missed' },
])('$title', ({ target, figures, verdict }) => {
  expect(judge(target, figures).verdict).toBe(verdict);
});

test('figures of several runs are medians over the runs that have them', () => {
  expect(mediansOf([{ figures: { rate: 1, late: 5 } }, { figures: { rate: 9 } }, { figures: { rate: 2 } }])).toEqual({ rate: 2, late: 5 });
});

test('a target reads as people write it, and figures show what counts', () => {
  expect(inWords(either)).toBe('≤ 60, or reconnect_vs_raw ≤ 1.5');
  expect([undefined, 3, 0.012345, 99.44, 12_345.6].map(shown)).toEqual(['-', '3', '0.0123', '99.4', '12346']);
});
