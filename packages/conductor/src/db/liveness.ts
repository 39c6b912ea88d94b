import type { Knex } from 'knex';
import { RID_OF_DOUBLES } from './hosts-up.ts';
import { changedBy, rowsOf } from './rows.ts';

/**
 * Signs of life of compute hosts, one statement for any number, and a transaction when some of them come up. Rows are locked by name.
 *
 * @returns `known`: the hosts that are registered; `risen`: those that were down until now (a new revision).
 */
export async function noteHosts(knex: Knex, hosts: readonly string[]): Promise<{ readonly known: string[]; readonly risen: string[] }> {
  const rows = await rowsOf<{ host: string; returns: boolean }>(
    knex,
    `with locked as (
       select id from services where "binary" = 'nova-compute' and host = any (cast(:hosts as text[])) order by host for no key update
     ), seen as (
       update services s set last_seen_at = kilonova_now() from locked where s.id = locked.id returning s.host, s.forced_down
     )
     select seen.host, coalesce(not h.up and not seen.forced_down and ${RID_OF_DOUBLES}, false) as returns from seen left join hosts h using (host)`,
    { hosts },
  );
  const returning = rows.filter(({ returns }) => returns).map(({ host }) => host);
  return {
    known: rows.map(({ host }) => host),
    risen: returning.length === 0 ? [] : await knex.transaction((trx) => raise(trx, returning)),
  };
}

/**
 * These hosts were heard: they come up, unless something keeps them down. That is looked at with their rows locked, by a statement that begins after that: one that began before, and waited, would
 * not see an evacuation that was accepted meanwhile (holdHost).
 *
 * @returns those that did (a new revision)
 */
export async function raise(trx: Knex.Transaction, hosts: readonly string[]): Promise<string[]> {
  await trx.raw('select 1 from hosts where host = any (cast(:hosts as text[])) order by host for no key update', { hosts });
  const rows = await rowsOf<{ host: string }>(
    trx,
    `update hosts h set up = true, revision = h.revision + 1, updated_at = kilonova_now()
     from services s where s.host = h.host and s."binary" = 'nova-compute' and h.host = any (cast(:hosts as text[]))
       and not h.up and not s.forced_down and ${RID_OF_DOUBLES}
     returning h.host`,
    { hosts },
  );
  return rows.map(({ host }) => host);
}

export interface ServiceSign {
  /** For a row that is new. */
  readonly uuid: string;
  readonly binary: string;
  readonly host: string;
  readonly version: string;
}

/** Signs of life of the control plane's own services, one statement for any number; makes rows that are not there. */
export async function noteServices(knex: Knex, signs: readonly ServiceSign[]): Promise<void> {
  if (signs.length === 0) return;
  await knex.raw(
    `insert into services (uuid, "binary", host, version, last_seen_at)
     select uuid, "binary", host, version, kilonova_now()
     from jsonb_to_recordset(cast(:signs as jsonb)) as signs (uuid uuid, "binary" text, host text, version text)
     order by host, "binary"
     on conflict (host, "binary") do update set version = excluded.version, last_seen_at = excluded.last_seen_at`,
    { signs: JSON.stringify(signs) },
  );
}

/**
 * Marks hosts down that were silent for too long or are forced down. Several conductors may look at once: a host is
 * returned to exactly one of them, whose commit it is.
 */
export async function markSilentHostsDown(knex: Knex, serviceDownMs: number, batch: number): Promise<string[]> {
  const rows = await rowsOf<{ host: string }>(
    knex,
    `with silent as (
       select h.host from hosts h left join services s on s.host = h.host and s."binary" = 'nova-compute'
       where h.up and (s.id is null or s.forced_down or s.last_seen_at is null
         or s.last_seen_at <= kilonova_now() - cast(:serviceDownMs as double precision) * interval '1 millisecond')
       order by h.host limit :batch for no key update of h skip locked
     )
     update hosts h set up = false, revision = h.revision + 1, updated_at = kilonova_now()
     from silent where h.host = silent.host returning h.host`,
    { serviceDownMs, batch },
  );
  return rows.map((row) => row.host);
}

/** Forgets services of the control plane that were silent for so long; compute hosts are for operators to delete. */
export const forgetSilentServices = (knex: Knex, hours: number, batch: number): Promise<number> =>
  changedBy(
    knex,
    `delete from services where id in (
       select id from services where "binary" <> 'nova-compute'
         and coalesce(last_seen_at, created_at) < kilonova_now() - cast(:hours as double precision) * interval '1 hour'
       order by id limit :batch for update skip locked
     )`,
    { hours, batch },
  );
