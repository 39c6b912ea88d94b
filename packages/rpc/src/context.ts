import type { Metadata } from './interceptors.ts';

/** What a handler knows about the request beside its content. */
export interface Context {
  /** Follows the request through every hop. */
  readonly requestId: string;
  /** Milliseconds since the epoch by the local clock; Infinity for a cast sent without one. */
  readonly deadline: number;
  /** Aborted at the deadline, when the caller gives up (reason: Cancelled), and when the server has to end before the handler did. */
  readonly signal: AbortSignal;
  /** The account the sender is logged in with, validated by the broker; '' when there is none. */
  readonly caller: string;
  /** Of the contract; undefined when it has none. */
  readonly namespace: string | undefined;
  readonly method: string;
  /** The version of the sender's form, MAJOR.MINOR. */
  readonly version: string;
  /** What the sender and its interceptors put beside the request, as it came: nobody vouches for it. Empty if nothing. */
  readonly metadata: Metadata;
}
