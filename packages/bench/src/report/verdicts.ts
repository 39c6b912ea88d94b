import type { BenchCase, Target } from '../cases/case.ts';
import { median } from '../measure/percentiles.ts';
import type { Run } from '../run-case.ts';

export type Verdict = 'met' | 'missed' | 'not measured';

export interface Judged {
  readonly target: Target;
  readonly measured: number | undefined;
  readonly verdict: Verdict;
}

/** A case with its runs: figures are their medians. */
export interface CaseResult {
  readonly name: string;
  readonly work: BenchCase['work'];
  readonly figures: Readonly<Record<string, number>>;
  readonly targets: readonly Judged[];
  /** See BenchCase. */
  readonly resized: readonly string[];
  readonly runs: readonly Run[];
}

export function resultOf({ name, work, targets, resized = [] }: BenchCase, runs: readonly Run[]): CaseResult {
  const figures = mediansOf(runs);
  return { name, work, figures, targets: targets.map((target) => judge(target, figures)), resized, runs };
}

/** Of each figure over the runs that have it. */
export function mediansOf(runs: readonly Pick<Run, 'figures'>[]): Readonly<Record<string, number>> {
  const names = [...new Set(runs.flatMap(({ figures }) => Object.keys(figures)))];
  return Object.fromEntries(
    names.map((name) => [name, median(runs.flatMap(({ figures }) => (figures[name] === undefined ? [] : [figures[name]])))]),
  );
}

export function judge(target: Target, figures: Readonly<Record<string, number>>): Judged {
  const measured = figures[target.figure];
  const own: Verdict = measured === undefined ? 'not measured' : reaches(target, measured) ? 'met' : 'missed';
  if (own !== 'met' && target.or !== undefined && judge(target.or, figures).verdict === 'met') return { target, measured, verdict: 'met' };
  return { target, measured, verdict: own };
}

const reaches = (target: Target, measured: number) => ('atMost' in target ? measured <= target.atMost : measured >= target.atLeast);

export const inWords = (target: Target): string => {
  const own = 'atMost' in target ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`;
  return target.or === undefined ? own : `${own}, or ${target.or.figure} ${inWords(target.or)}`;
};
