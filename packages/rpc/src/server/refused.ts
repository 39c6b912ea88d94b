import { RpcError } from '../errors.ts';
import type { chain, IncomingCall } from '../interceptors.ts';

/** The handler was not reached: the sender is told the error as this side's own. */
export class Refused extends Error {
  readonly refusal: RpcError;

  constructor(refusal: RpcError) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** Interceptors around a server, where there are any. */
export type Around = NonNullable<ReturnType<typeof chain<IncomingCall>>>;

/**
 * What the interceptors make of the handler's work. They see a refusal as the error that the caller will get.
 *
 * @throws Refused, and whatever the work or an interceptor throws; an RpcError of an interceptor before `next` is a refusal
 */
export async function interceptHandling(around: Around, call: IncomingCall, work: () => Promise<unknown>): Promise<unknown> {
  let begun = false;
  let refusal: RpcError | undefined;
  try {
    return await around(call, () => {
      begun = true;
      return work().catch((error: unknown) => {
        if (!(error instanceof Refused)) throw error;
        refusal = error.refusal;
        throw refusal;
      });
    });
  } catch (error) {
    if (refusal !== undefined && error === refusal) throw new Refused(refusal);
    if (!begun && error instanceof RpcError) throw new Refused(error);
    throw error;
  }
}
