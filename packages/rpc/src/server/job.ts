import type { Context } from '../context.ts';
import type { Verdict } from './dispatch.ts';
import type { RequestContext } from './request-context.ts';
import type { Lane } from '../contract/lane.ts';
import type { Delivery } from '../transport.ts';

export type AnyHandler = (context: Context, request: object) => unknown;

/** A request that passed the checks of `dispatch.ts`, from its admission to its acknowledgement. */
export interface Job {
  readonly delivery: Delivery;
  /** By which it came; undefined: the one for all. */
  readonly lane: Lane | undefined;
  readonly accepted: Extract<Verdict, { verdict: 'run' }>;
  readonly handler: AnyHandler;
  readonly context: RequestContext;
  /** Ends its signs of life. */
  readonly endBeats: (() => void) | undefined;
  /** Attempts that have failed. */
  failed: number;
  /** The server stops and hands it back: what its handler still does counts for nothing. */
  givenUp: boolean;
}
