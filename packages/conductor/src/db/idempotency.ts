import type { Knex } from 'knex';
import { changedBy, rowsOf } from './rows.ts';

/** Whose key it is: unique per project, user and route. */
export interface IdempotencyScope {
  readonly projectId: string;
  readonly userId: string;
  /** As in `POST /servers`. */
  readonly route: string;
  readonly key: string;
}

/** A key, what was asked with it, and what a repeat is answered with: never a secret. */
export interface KeptAnswer extends IdempotencyScope {
  readonly bodyHash: string;
  readonly response: object;
}

/**
 * Keeps the answers under their keys, and waits for another transaction that has one of them. A key older than `hours` is
 * free again. Locked in the order of the keys, so that no two wait for each other.
 *
 * @returns false when another request had one of the keys first: this transaction must not be committed
 */
export async function keepAnswers(trx: Knex.Transaction, answers: readonly KeptAnswer[], hours: number): Promise<boolean> {
  const kept = await rowsOf(
    trx,
    `insert into idempotency_keys (project_id, user_id, route, key, body_hash, response)
     select a."projectId", a."userId", a.route, a.key, a."bodyHash", a.response
     from jsonb_to_recordset(cast(:answers as jsonb))
       as a ("projectId" text, "userId" text, route text, key text, "bodyHash" text, response jsonb)
     order by 1, 2, 3, 4
     on conflict (project_id, user_id, route, key) do update
       set body_hash = excluded.body_hash, response = excluded.response, created_at = kilonova_now()
       where idempotency_keys.created_at < kilonova_now() - cast(:hours as double precision) * interval '1 hour'
     returning 1`,
    { answers: JSON.stringify(answers), hours },
  );
  return kept.length === answers.length;
}

/** A message of a client that is done once. */
export interface RequestKey extends IdempotencyScope {
  readonly bodyHash: string;
}

/**
 * Notes a request, until the transaction ends for nobody else to see; waits for another transaction that has it.
 *
 * @returns what it was answered when it was done before, else undefined
 */
export async function startRequest(trx: Knex.Transaction, key: RequestKey): Promise<object | undefined> {
  const started = await changedBy(
    trx,
    `insert into idempotency_keys (project_id, user_id, route, key, body_hash, response)
     values (:projectId, :userId, :route, :key, :bodyHash, '{}') on conflict (project_id, user_id, route, key) do nothing`,
    { ...key },
  );
  if (started > 0) return undefined;
  const rows = await rowsOf<{ response: object }>(
    trx,
    'select response from idempotency_keys where project_id = :projectId and user_id = :userId and route = :route and key = :key',
    { ...key },
  );
  return rows[0]?.response ?? {};
}

/** Keeps the answer of a request that this transaction started. */
export const finishRequest = (trx: Knex.Transaction, key: RequestKey, answer: object): Promise<number> =>
  changedBy(
    trx,
    `update idempotency_keys set response = cast(:answer as jsonb)
     where project_id = :projectId and user_id = :userId and route = :route and key = :key`,
    { ...key, answer: JSON.stringify(answer) },
  );
