import { inWords, type CaseResult } from './verdicts.ts';

const EMPTY = '';

/** A result for people: its targets first, then every figure, errors and CPU. */
export function tableOf({ name, work, figures, targets, resized, runs }: CaseResult): string {
  const { kind: _kind, ...sizes } = work;
  const several = runs.length > 1 ? `medians of ${runs.length} runs` : 'one run';
  const last = runs.at(-1);
  const judged = new Set(targets.map(({ target }) => target.figure));
  const rows = [
    ['figure', 'measured', 'target', 'verdict'],
    ...targets.map(({ target, measured, verdict }) => [target.figure, shown(measured), inWords(target), verdict]),
    ...Object.entries(figures)
      .filter(([figure]) => !judged.has(figure))
      .map(([figure, value]) => [figure, shown(value), EMPTY, EMPTY]),
  ];
  return [
    `${name}: ${Object.entries(sizes)
      .map(([size, value]) => `${size} ${String(value)}`)
      .join(', ')} (${several})`,
    ...columns(rows),
    ...cpuLines(last?.cpu ?? {}),
    ...(last === undefined ? [] : [`load ${last.load.before.toFixed(2)} before, ${last.load.after.toFixed(2)} after`]),
    ...(last?.machine === undefined
      ? []
      : [`this machine: ${last.machine.hashesPerS} hashes/s on one core, ${last.machine.syncsPerS} syncs/s`]),
    ...runs.flatMap(({ errors }) => errors.samples.map((sample) => `error: ${sample}`)),
    ...(runs.some(({ cutShort }) => cutShort) ? ['ended before its end: by its time limit or by a person'] : []),
    ...(resized.length > 0 ? [`note: the targets are for another size: ${resized.join('; ')}`] : []),
    ...(last?.notes ?? []).map((note) => `note: ${note}`),
  ].join('\n');
}

function cpuLines(cpu: CaseResult['runs'][number]['cpu']): readonly string[] {
  const phases = Object.entries(cpu);
  // One line per reading would bury the rest: the JSON has them.
  if (phases.length > 4) return [];
  return phases.map(
    ([phase, seconds]) =>
      `CPU seconds, ${phase}: ${Object.entries(seconds)
        .map(([name, value]) => `${name} ${value.toFixed(2)}`)
        .join(', ')}`,
  );
}

/** Three digits that say something, and whole numbers as they are. */
export function shown(value: number | undefined): string {
  if (value === undefined) return '-';
  if (Number.isInteger(value) || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toPrecision(3);
}

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 1 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}
