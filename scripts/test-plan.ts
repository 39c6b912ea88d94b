import { parseArgs } from 'node:util';

/** In the order they run. `packages` are the unit and integration tests. */
export const STAGES = ['check', 'packages', 'simulation', 'journeys', 'upgrade', 'crash'] as const;
export type Stage = (typeof STAGES)[number];

export interface TestPlan {
  readonly stages: readonly Stage[];
  /** Parts of test file names; none means every test. */
  readonly filters: readonly string[];
}

/** `npm test -- [--only STAGE[,STAGE...]] [FILTER...]`; a filter alone leaves the checks out. Throws on anything else. */
export function planFrom(args: readonly string[]): TestPlan {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { only: { type: 'string', multiple: true } },
  });
  const only = (values.only ?? []).flatMap((list) => list.split(','));
  for (const name of only)
    if (!STAGES.some((stage) => stage === name))
      throw new Error(`--only: expected one or more of ${STAGES.join(', ')}, found ${JSON.stringify(name)}`);
  const stages = STAGES.filter((stage) => (only.length > 0 ? only.includes(stage) : stage !== 'check' || positionals.length === 0));
  return { stages, filters: positionals };
}
