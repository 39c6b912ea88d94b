// What becomes of a cast whose handler throws. Nobody waits for it, so it is the contract that says.
import { RpcError } from '../errors.ts';

/** How often a cast is handled before it counts as failed, and what becomes of it then. */
export interface CastFailure {
  /** In all, the first included. Those of another server that took it before (see `redelivered`) do not count. Default 1. */
  readonly attempts?: number;
  /** Upper bound of the first wait, doubled each time; every wait is random between half of its bound and all of it. Milliseconds. Default 500. */
  readonly baseMs?: number;
  /** No bound is above this; milliseconds. Default 30 000. */
  readonly capMs?: number;
  /**
   * `dead-letter` (default): it is put aside with the reason and the number of attempts, for a person to look at. `drop`:
   * it is logged, counted and over, for casts whose work is remembered elsewhere.
   */
  readonly outcome?: 'dead-letter' | 'drop';
}

const DEFAULTS: Required<CastFailure> = { attempts: 1, baseMs: 500, capMs: 30_000, outcome: 'dead-letter' };

/** The method's own words, then its contract's, then the defaults. @throws TypeError naming what cannot work */
export function castFailure(where: string, ...given: readonly (CastFailure | undefined)[]): Required<CastFailure> {
  const policy: Required<CastFailure> = Object.assign({}, DEFAULTS, ...given) as Required<CastFailure>;
  const { attempts, baseMs, capMs, outcome } = policy;
  if (!Number.isInteger(attempts) || attempts < 1)
    throw new TypeError(`${where}: failure.attempts: expected a whole number of at least 1, got ${attempts}`);
  if (!(baseMs > 0 && capMs >= baseMs))
    throw new TypeError(`${where}: expected 0 < failure.baseMs <= failure.capMs, got ${baseMs} and ${capMs}`);
  if (outcome !== 'dead-letter' && outcome !== 'drop')
    throw new TypeError(`${where}: failure.outcome: expected 'dead-letter' or 'drop', got ${JSON.stringify(outcome)}`);
  return policy;
}

/** The wait after so many failed attempts; `draw` is random in [0, 1). */
export const waitAfter = ({ baseMs, capMs }: Required<CastFailure>, failed: number, draw: number): number =>
  Math.min(capMs, baseMs * 2 ** Math.min(failed - 1, 30)) * (0.5 + draw / 2);

/** Why it was put aside, for a person. */
export function deadReason(failed: number, error: unknown): string {
  const attempts = failed === 1 ? '1 attempt' : `${failed} attempts`;
  return `${attempts} failed, the last with ${nameOf(error)}`;
}

function nameOf(error: unknown): string {
  if (error instanceof RpcError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : 'something that is no Error';
}
