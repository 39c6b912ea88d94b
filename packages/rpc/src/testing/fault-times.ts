// For the table of faults in the README: what a test measured goes to the file that KILONOVA_TEST_FAULT_TIMES names, a line
// each; without it nowhere.
import { appendFileSync } from 'node:fs';

/** @param ms one measurement, or several of which the median is noted */
export function noteTime(fault: string, ...ms: readonly number[]): void {
  const file = process.env['KILONOVA_TEST_FAULT_TIMES'];
  if (file === undefined || file === '') return;
  const sorted = ms.toSorted((one, other) => one - other);
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  appendFileSync(file, `${fault}\t${median.toFixed(1)} ms\t(of ${ms.length}, at most ${(sorted.at(-1) ?? Number.NaN).toFixed(1)})\n`);
}
