import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';

/** Whose key it is: unique per project, user and route. */
export interface IdempotencyScope {
  readonly projectId: string;
  readonly userId: string;
  /** As in `POST /servers`. */
  readonly route: string;
  readonly key: string;
}

/** What an earlier request with the key asked and got. */
export interface EarlierRequest<Response> {
  readonly bodyHash: string;
  readonly response: Response;
}

/**
 * Takes the key for this transaction, and waits for another that has it. A key older than `hours` is free again.
 *
 * @returns null when the key is ours (`keepAnswer` must follow), else the request that had it first.
 */
export async function takeKey<Response>(
  trx: Knex.Transaction,
  scope: IdempotencyScope,
  bodyHash: string,
  hours: number,
): Promise<EarlierRequest<Response> | null> {
  const taken = await rowsOf(
    trx,
    `insert into idempotency_keys (project_id, user_id, route, key, body_hash, response)
     values (:projectId, :userId, :route, :key, :bodyHash, 'null')
     on conflict (project_id, user_id, route, key) do update
       set body_hash = excluded.body_hash, response = excluded.response, created_at = kilonova_now()
       where idempotency_keys.created_at < kilonova_now() - cast(:hours as double precision) * interval '1 hour'
     returning 1`,
    { ...scope, bodyHash, hours },
  );
  if (taken.length > 0) return null;
  const earlier = await rowsOf<EarlierRequest<Response>>(
    trx,
    `select body_hash as "bodyHash", response from idempotency_keys
     where project_id = :projectId and user_id = :userId and route = :route and key = :key`,
    { ...scope },
  );
  return earlier[0]!;
}

/** What a repeat is answered with; never a secret. */
export const keepAnswer = (trx: Knex.Transaction, scope: IdempotencyScope, response: object): Promise<unknown> =>
  trx.raw(
    `update idempotency_keys set response = cast(:response as jsonb)
     where project_id = :projectId and user_id = :userId and route = :route and key = :key`,
    { ...scope, response: JSON.stringify(response) },
  );
