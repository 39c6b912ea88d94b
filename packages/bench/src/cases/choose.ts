import { didYouMean } from '@kilonova/runtime';
import type { BenchCase, Work } from './case.ts';
import { cases } from './cases.ts';

/** How much of a case; what is not given stays as the case says. */
export interface Sizes {
  readonly servers?: number;
  readonly concurrency?: number;
  readonly hosts?: number;
  readonly agents?: number;
  readonly seconds?: number;
  readonly listEveryMs?: number;
  readonly createEveryMs?: number;
  readonly tickMs?: number;
  readonly heartbeatMs?: number;
  readonly timeLimitSeconds?: number;
}

/** The bounds of each size: what a person may ask of a cloud by one command. */
export const sizeBounds: Readonly<Record<keyof Sizes, { readonly min: number; readonly max: number }>> = {
  servers: { min: 1, max: 100_000 },
  concurrency: { min: 1, max: 512 },
  hosts: { min: 1, max: 200_000 },
  agents: { min: 1, max: 20_000 },
  seconds: { min: 1, max: 3_600 },
  listEveryMs: { min: 0, max: 60_000 },
  createEveryMs: { min: 0, max: 60_000 },
  tickMs: { min: 1, max: 10_000 },
  heartbeatMs: { min: 50, max: 600_000 },
  timeLimitSeconds: { min: 1, max: 86_400 },
};

/**
 * The case of that name in the wanted size.
 * @throws Error for an unknown name, with the nearest known one; for a size that means nothing to the case
 */
export function chooseCase(name: string, sizes: Sizes = {}, { small = false }: { readonly small?: boolean } = {}): BenchCase {
  const found = cases.find((one) => one.name === name);
  if (found === undefined) {
    const names = cases.map((one) => one.name);
    throw new Error(`unknown case ${JSON.stringify(name)}${didYouMean(name, names)}; there are ${names.join(', ')}`);
  }
  const work = { ...found.work, ...(small ? found.small : {}) } as Work;
  const meant: Readonly<Record<string, unknown>> = { ...found.work };
  const changes: Record<string, unknown> = {};
  for (const [size, value] of Object.entries(sizes)) {
    if (value === undefined) continue;
    const key = size === 'concurrency' && work.kind === 'api' ? 'concurrencies' : size;
    if (!(key in work)) throw new Error(`${size} means nothing to the case ${name}, which knows ${sizesOf(work).join(', ')}`);
    changes[key] = key === 'concurrencies' ? [value] : value;
  }
  const resized = Object.entries(changes)
    .filter(([key, value]) => key !== 'timeLimitSeconds' && String(value) !== String(meant[key]))
    .map(([key, value]) => `${key} ${String(value)}, not ${String(meant[key])}`);
  return {
    ...found,
    work: { ...work, ...changes },
    targets: small ? [] : found.targets,
    ...(!small && resized.length > 0 && { resized }),
  };
}

const sizesOf = (work: Work): readonly string[] =>
  Object.keys(sizeBounds).filter((size) => size in work || (size === 'concurrency' && work.kind === 'api'));
