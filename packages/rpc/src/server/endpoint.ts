import type { Context } from '../context.ts';
import type { Contract } from '../contract/contract.ts';
import { checkHandlers, type HandlersOf } from './handlers.ts';
import type { AnyHandler } from './job.ts';

/**
 * One function per method. A stream handler yields batches of any size (an async generator of arrays); they are cut
 * into pieces on the way out.
 */
export type Handlers<C extends Contract> = HandlersOf<C['methods'], Context>;

/** A contract with its handlers, as one of those that a server serves side by side. Made by `endpoint`. */
export interface Endpoint {
  readonly contract: Contract;
  readonly handlers: Readonly<Record<string, AnyHandler>>;
}

/**
 * One of several contracts of a topic: other namespaces, other majors.
 *
 * @throws TypeError when a handler is missing.
 */
export function endpoint<C extends Contract>(contract: C, handlers: Handlers<C>): Endpoint {
  checkHandlers(contract, handlers);
  return { contract, handlers };
}
