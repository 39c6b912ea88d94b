import type { Knex } from 'knex';
import { type OwnerKey, release } from './claims.ts';
import { rowsOf } from './rows.ts';
import { completeEvacuations } from './server-migrations.ts';

/** What may still be on a host and must go. Its allocation stays until the host confirms. */
export interface NewCleanup extends OwnerKey {
  readonly requestId: string;
  /** The operation that the removal takes back. */
  readonly undoes: string | null;
  readonly reason: string;
}

export interface Cleanup extends NewCleanup {
  readonly failures: number;
}

/** The host must not forget a removal that it refused once: each refusal makes the next one another operation. */
export const operationIdOf = ({ instanceUuid, generation, failures }: Pick<Cleanup, 'instanceUuid' | 'generation' | 'failures'>): string =>
  `cleanup/${instanceUuid}/${generation}/${failures}`;

export async function leaveBehind(trx: Knex.Transaction, cleanups: readonly NewCleanup[]): Promise<void> {
  if (cleanups.length === 0) return;
  await trx.raw(
    `insert into cleanups (host, instance_uuid, generation, request_id, undoes, reason)
     select c.host, c."instanceUuid", c.generation, c."requestId", c.undoes, c.reason
     from jsonb_to_recordset(cast(? as jsonb)) as c (host text, "instanceUuid" uuid, generation integer, "requestId" text, undoes text, reason text)
     order by c.host, c."instanceUuid" on conflict do nothing`,
    [JSON.stringify(cleanups)],
  );
}

/** What hosts hold of these instances besides the named owner (null: any host) becomes their cleanup. */
export async function leaveOthersBehind(
  trx: Knex.Transaction,
  endings: readonly {
    readonly instanceUuid: string;
    readonly host: string | null;
    readonly generation: number | null;
    readonly requestId: string;
    readonly reason: string;
  }[],
): Promise<void> {
  if (endings.length === 0) return;
  await trx.raw(
    `insert into cleanups (host, instance_uuid, generation, request_id, reason)
     select a.host, a.instance_uuid, a.generation, e."requestId", e.reason
     from jsonb_to_recordset(cast(? as jsonb)) as e ("instanceUuid" uuid, host text, generation integer, "requestId" text, reason text)
     join allocations a on a.instance_uuid = e."instanceUuid"
     where (a.host, a.generation) is distinct from (e.host, e.generation)
     order by a.host, a.instance_uuid on conflict do nothing`,
    [JSON.stringify(endings)],
  );
}

/** Whether the host is to remove this: a removal takes whatever is older with it. */
export async function isCleanup(knex: Knex, { instanceUuid, host, generation }: OwnerKey): Promise<boolean> {
  const found = await rowsOf(
    knex,
    'select 1 from cleanups where host = :host and instance_uuid = :instanceUuid and generation >= :generation',
    { instanceUuid, host, generation },
  );
  return found.length > 0;
}

/** Those that are due, each put off for a while that doubles with every try. */
export async function takeDue(knex: Knex, limits: { batch: number; minMs: number; maxMs: number }): Promise<readonly Cleanup[]> {
  const { rows } = await knex.raw(
    `with taken as (
     update cleanups c set attempts = attempts + 1,
       next_try_at = kilonova_now() + least(:maxMs, :minMs * power(2, least(attempts, 20))) * interval '1 millisecond'
     where (host, instance_uuid, generation) in
       (select host, instance_uuid, generation from cleanups where next_try_at <= kilonova_now()
        order by next_try_at, host, instance_uuid, generation limit :batch for update skip locked)
     returning host, instance_uuid as "instanceUuid", generation, request_id as "requestId", undoes, reason, failures)
     select * from taken order by host, "instanceUuid", generation`,
    limits,
  );
  return rows as Cleanup[];
}

/** The host says that nothing is left: the allocation goes too. @returns the hosts that changed */
export async function confirm(trx: Knex.Transaction, owners: readonly OwnerKey[]): Promise<readonly string[]> {
  if (owners.length === 0) return [];
  const { rows } = await trx.raw(
    `delete from cleanups where (instance_uuid, host, generation) in
       (select o."instanceUuid", o.host, o.generation from jsonb_to_recordset(cast(? as jsonb)) as o ("instanceUuid" uuid, host text, generation integer))
     returning instance_uuid as "instanceUuid", host, generation`,
    [JSON.stringify(owners)],
  );
  await completeEvacuations(trx, rows as OwnerKey[]);
  return release(trx, rows as OwnerKey[]);
}

/**
 * The host is gone for good, and nobody waits for it any more. Evacuations stay unconfirmed: should it come back, it gets no
 * work before it is rid of them.
 */
export async function giveUp(trx: Knex.Transaction, host: string): Promise<void> {
  const owners = await rowsOf<OwnerKey>(
    trx,
    'delete from cleanups where host = :host returning instance_uuid as "instanceUuid", host, generation',
    { host },
  );
  await release(trx, owners);
}

/** The host refused; one whose instance came back to that host under a newer generation is settled by that. */
export async function noteRefusals(
  trx: Knex.Transaction,
  refusals: readonly (OwnerKey & { readonly message: string })[],
): Promise<readonly string[]> {
  if (refusals.length === 0) return [];
  const { rows } = await trx.raw(
    `with r as (select * from jsonb_to_recordset(cast(? as jsonb)) as r ("instanceUuid" uuid, host text, generation integer, message text))
     update cleanups c set failures = c.failures + 1, last_error = r.message
     from r where c.instance_uuid = r."instanceUuid" and c.host = r.host and c.generation = r.generation
     returning c.instance_uuid as "instanceUuid", c.host, c.generation,
       exists (select from instances i where i.uuid = c.instance_uuid and i.host = c.host and i.generation > c.generation) as superseded`,
    [JSON.stringify(refusals)],
  );
  return confirm(
    trx,
    (rows as (OwnerKey & { superseded: boolean })[]).filter(({ superseded }) => superseded),
  );
}

/** Hosts that came back are told at once; what is locked is on its way. */
export async function wakeHosts(knex: Knex, hosts: readonly string[]): Promise<void> {
  await knex.raw(
    `update cleanups set next_try_at = kilonova_now() where (host, instance_uuid, generation) in
       (select host, instance_uuid, generation from cleanups where host = any (cast(? as text[])) and next_try_at > kilonova_now()
        order by host, instance_uuid, generation for no key update skip locked)`,
    [[...hosts]],
  );
}

export async function countCleanups(knex: Knex): Promise<number> {
  const { rows } = await knex.raw('select count(*)::int as count from cleanups');
  return (rows as { count: number }[])[0]!.count;
}
