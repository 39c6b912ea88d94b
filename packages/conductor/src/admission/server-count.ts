import type { Usage } from '../db/quota-usages.ts';

/** Limits of the three resources that servers take; -1 is unlimited. */
export type ServerLimits = Usage;

/** The limits and the use of a project, or of a user in it. */
export interface Budget {
  readonly limits: ServerLimits;
  readonly used: Usage;
}

export interface Wanted {
  readonly min: number;
  readonly max: number;
  /** What one server takes. */
  readonly each: Usage;
}

const RESOURCES = ['cores', 'instances', 'ram'] as const;

const room = ({ limits, used }: Budget, each: Usage, resource: keyof Usage): number =>
  limits[resource] < 0 || each[resource] === 0 ? Infinity : Math.max(0, Math.floor((limits[resource] - used[resource]) / each[resource]));

/** As many as fit all budgets, from `min` to `max`; or the text of the refusal, which names the first budget that is too small. */
export function serversThatFit(
  { min, max, each }: Wanted,
  budgets: readonly Budget[],
): { readonly count: number } | { readonly refusal: string } {
  const count = Math.min(max, ...budgets.flatMap((budget) => RESOURCES.map((resource) => room(budget, each, resource))));
  if (count >= min) return { count };
  const budget = budgets.find((candidate) => RESOURCES.some((resource) => room(candidate, each, resource) < min))!;
  const overs = RESOURCES.filter((resource) => room(budget, each, resource) < max);
  const requested = {
    instances: min === max ? `${max}` : `${min}-${max}`,
    cores: `${max * each.cores}`,
    ram: `${max * each.ram}`,
  };
  const listed = (values: Readonly<Record<keyof Usage, number | string>>) => overs.map((resource) => values[resource]).join(', ');
  return {
    refusal:
      `Quota exceeded for ${overs.join(', ')}: Requested ${listed(requested)}, but already used ${listed(budget.used)} ` +
      `of ${listed(budget.limits)} ${overs.join(', ')}`,
  };
}
