import type { Context } from '../context.ts';
import { NotAuthorized, RpcError } from '../errors.ts';

/** Asked before each handler. Throws to refuse; what is no RpcError becomes NotAuthorized. */
export type Authorize<C extends Context = Context> = (method: string, context: C) => void | Promise<void>;

/** @throws RpcError when the sender may not. */
export async function checkAuthority<C extends Context>(authorize: Authorize<C>, context: C): Promise<void> {
  try {
    await authorize(context.method, context);
  } catch (error) {
    if (error instanceof RpcError) throw error;
    throw new NotAuthorized(error instanceof Error ? error.message : 'not authorized', { method: context.method });
  }
}
