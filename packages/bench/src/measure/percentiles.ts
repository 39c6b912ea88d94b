/**
 * The value that so many percent of the sorted values do not exceed, between two of them by straight line (as
 * PostgreSQL's percentile_cont and numpy's default). NaN for no values.
 *
 * @param sorted ascending
 * @param percent 0 to 100
 */
export function percentile(sorted: readonly number[], percent: number): number {
  if (sorted.length === 0) return Number.NaN;
  const place = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}

export const median = (values: readonly number[]): number =>
  percentile(
    values.toSorted((a, b) => a - b),
    50,
  );

/** `NAME_p50_ms`, `NAME_p90_ms`, `NAME_p99_ms` and `NAME_max_ms` of durations in milliseconds; nothing for none. */
export function distribution(name: string, durationsMs: readonly number[]): Readonly<Record<string, number>> {
  if (durationsMs.length === 0) return {};
  const sorted = durationsMs.toSorted((a, b) => a - b);
  return {
    [`${name}_p50_ms`]: percentile(sorted, 50),
    [`${name}_p90_ms`]: percentile(sorted, 90),
    [`${name}_p99_ms`]: percentile(sorted, 99),
    [`${name}_max_ms`]: sorted.at(-1)!,
  };
}
