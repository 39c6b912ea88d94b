import { createHash } from 'node:crypto';
import type { Scope } from '@kilonova/objects';
import type { Database } from '../db/connection.ts';
import { finishRequest, startRequest, type RequestKey } from '../db/idempotency.ts';
import type { Services } from '../services.ts';

/** A request that writes, of somebody. */
export interface Scoped {
  readonly scope: Scope;
}

export type Act<Req, Res> = (services: Services, request: Req) => Promise<Res>;

/**
 * Makes `act` safe to repeat at any time: one transaction holds all that it does and notes the request, and a message that
 * comes again, also to another conductor and after others have changed the same things, changes nothing. It is answered as the first
 * time, or by `again`, for answers that are not to be kept. A request that was refused leaves no note.
 */
export const once =
  <Req extends Scoped, Res extends object>(method: string, act: Act<Req, Res>, again?: Act<Req, Res>): Act<Req, Res> =>
  async (services, request) => {
    const touched = new Set<string>();
    const key = keyOf(method, request);
    const answer = await services.knex.transaction(async (trx): Promise<Res> => {
      const within: Services = {
        ...services,
        knex: trx as Database, // transactions in it are savepoints
        publisher: { hostsTouched: (hosts) => [...hosts].forEach((host) => touched.add(host)) },
      };
      const kept = await startRequest(trx, key);
      if (kept !== undefined) return again === undefined ? (kept as Res) : again(within, request);
      const made = await act(within, request);
      await finishRequest(trx, key, again === undefined ? made : {});
      return made;
    });
    if (touched.size > 0) services.publisher.hostsTouched(touched);
    return answer;
  };

/** The id alone is not enough: nothing keeps a client from using one for several requests. */
function keyOf(method: string, request: Scoped): RequestKey {
  const { projectId, userId, requestId } = request.scope;
  const bodyHash = createHash('sha256').update(JSON.stringify(request)).digest('hex');
  return { projectId, userId, route: `rpc ${method}`, key: `${requestId} ${bodyHash}`, bodyHash };
}
