import type { FaultKind } from './adversary/adversary.ts';
import { replayOf } from './seeds.ts';
import type { Outcome } from './simulate.ts';

const seconds = (ms: number) => (ms / 1_000).toFixed(1);
const listed = (counts: Iterable<readonly [string, number]>) => [...counts].map(([what, count]) => `${count} ${what}`).join(', ');

export function lineOf({ seed, virtualMs, realMs, events, statements, asked, faults }: Outcome): string {
  return (
    `seed ${seed}: ${seconds(virtualMs)} s in ${seconds(realMs)} s (${(virtualMs / realMs).toFixed(0)} times real time), ${events} events, ` +
    `${statements} statements; ${listed(Object.entries(asked))}; faults: ${listed(faults)}`
  );
}

export function summaryOf(outcomes: readonly Outcome[]): string {
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0);
  const faults = new Map<FaultKind, number>();
  for (const outcome of outcomes) for (const [kind, count] of outcome.faults) faults.set(kind, (faults.get(kind) ?? 0) + count);
  const kinds = new Set(outcomes.flatMap((outcome) => outcome.kinds));
  return (
    `${outcomes.length} seeds: ${seconds(sum(({ virtualMs }) => virtualMs))} s in ${seconds(sum(({ realMs }) => realMs))} s, ` +
    `${sum(({ events }) => events)} events, ${sum(({ statements }) => statements)} statements, ${sum(({ looks }) => looks)} looks of the oracle; ` +
    `faults: ${listed(faults)}; tasks: ${[...kinds].toSorted().join(', ')}`
  );
}

/** For a failure: what was seen, how to see it again, and the last that happened. Empty when all was well. */
export function complaintOf({ seed, violations, tail }: Outcome): string {
  if (violations.length === 0) return '';
  const seen = violations.map((violation) => `- ${violation}`);
  return [`seed ${seed}; to see it again: ${replayOf(seed)}`, ...seen, 'the last events:', ...tail.slice(-30)].join('\n');
}

/** Where two runs part, with what led there; undefined when they do not. */
export function firstDifference(one: readonly string[], other: readonly string[]): string | undefined {
  const at = Array.from({ length: Math.max(one.length, other.length) }).findIndex((_, index) => one[index] !== other[index]);
  if (at < 0) return undefined;
  return [...one.slice(Math.max(0, at - 10), at), 'then one:', ...one.slice(at, at + 5), 'and other:', ...other.slice(at, at + 5)].join(
    '\n',
  );
}
