/** Chosen once: together they meet every kind of fault, with one to three conductors. */
const FIXED = [15, 3, 5, 22, 23] as const;

export interface Plan {
  readonly seeds: readonly number[];
  /** Gets every event, one a line. */
  readonly traceFile: string | undefined;
}

/**
 * Which simulations to run: those of every test run, or the one that `KILONOVA_TEST_SEED` names, or
 * `KILONOVA_TEST_SIMULATIONS` many from there on (from 1 when none is named).
 */
export function planned(env: Readonly<Record<string, string | undefined>> = process.env): Plan {
  const given = (name: string) => (env[name] === undefined || env[name] === '' ? undefined : wholeNumber(name, env[name]));
  const seed = given('KILONOVA_TEST_SEED');
  const count = given('KILONOVA_TEST_SIMULATIONS');
  const seeds: readonly number[] =
    seed === undefined && count === undefined ? FIXED : Array.from({ length: count ?? 1 }, (_, at) => (seed ?? 1) + at);
  return { seeds, traceFile: env['KILONOVA_TEST_TRACE'] };
}

/** What to type to see the same again. */
export const replayOf = (seed: number): string => `KILONOVA_TEST_SEED=${seed} npm test -- --only simulation`;

function wholeNumber(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`${name}: expected a whole number, found ${JSON.stringify(text)}`);
  return Number(text);
}
