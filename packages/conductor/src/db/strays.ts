/**
 * Domains that hosts show without being given them. Nothing is removed because the database does not know it: a database
 * that was restored, or a host under another name, knows less than there is. Only a release of that very generation counts.
 */
import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';

/** A domain as its host shows it. */
export interface Sighting {
  readonly uuid: string;
  readonly generation: number;
  readonly power: number;
}

/**
 * - released: the instance is deleted, or a move that is over left this host without it, in this generation: it must go
 * - outdated: the instance has another owner, of a higher generation: it must not run, and stays
 * - unknown, newer, unreleased: the database cannot tell: it is left alone
 */
export const standings = ['released', 'outdated', 'unknown', 'newer', 'unreleased'] as const;
export type Standing = (typeof standings)[number];

export interface Stray extends Sighting {
  readonly standing: Standing;
}

/**
 * SQL: the instance was at the destination after the move `m`. A move that waited for its confirmation ends in `error` where the next one
 * took its place (settleOpen), and that one went out from there.
 */
const ARRIVED = `(m.status in ('completed', 'confirmed', 'done') or exists (select from server_migrations n
  where n.instance_uuid = m.instance_uuid and n.source_host = m.dest_host and n.source_generation = m.dest_generation))`;

/**
 * SQL: the move `m` is over, and `d` is what `:host` had on the side that it left without the instance. The other side lost it by a later
 * move, which says so, or by an operator's word (adoptStrays), and then it keeps what it has. A resize that stayed on its host has one
 * domain for both.
 */
const LEFT_BY_MOVE = `m.instance_uuid = d.uuid and not m.open and m.source_host is distinct from m.dest_host
  and case when ${ARRIVED} then m.source_host = :host and m.source_generation = d.generation
    else m.dest_host = :host and m.dest_generation = d.generation end`;

/** Those that the database does not give to this host at this generation. Who holds an allocation may have an older one as well. */
export function findStrays(knex: Knex, host: string, domains: readonly Sighting[]): Promise<readonly Stray[]> {
  if (domains.length === 0) return Promise.resolve([]);
  return rowsOf<Stray>(
    knex,
    `select d.uuid, d.generation, d.power, case
       when i.uuid is null then 'unknown'
       when d.generation > i.last_generation then 'newer'
       when i.deleted_at is not null then 'released'
       when exists (select from server_migrations m where ${LEFT_BY_MOVE}) then 'released'
       when i.host is not null and d.generation < i.generation then 'outdated'
       else 'unreleased' end as standing
     from jsonb_to_recordset(cast(:domains as jsonb)) as d (uuid uuid, generation integer, power integer)
     left join instances i on i.uuid = d.uuid
     where not exists (select from instances o where o.uuid = d.uuid and o.host = :host and o.generation = d.generation)
       and not exists (select from allocations a where a.instance_uuid = d.uuid and a.host = :host and a.generation >= d.generation)
       and not exists (select from cleanups c where c.instance_uuid = d.uuid and c.host = :host and c.generation = d.generation)
     order by d.uuid`,
    { host, domains: JSON.stringify(domains) },
  );
}

/** Remembers strays of a round, as many of a host as `most`. @returns those that were not known before */
export async function keepStrays(
  knex: Knex,
  { host, round, most }: { readonly host: string; readonly round: number; readonly most: number },
  strays: readonly Stray[],
): Promise<readonly Pick<Sighting, 'uuid' | 'generation'>[]> {
  if (strays.length === 0) return [];
  return rowsOf(
    knex,
    `with d as materialized (
       select * from jsonb_to_recordset(cast(:strays as jsonb)) as d (uuid uuid, generation integer, power smallint, standing text)),
     known as (
       update strays s set power_state = d.power, standing = d.standing, round = greatest(s.round, :round), seen_at = kilonova_now()
       from d where s.host = :host and s.instance_uuid = d.uuid and s.generation = d.generation
       returning s.instance_uuid as uuid, s.generation)
     insert into strays (host, instance_uuid, generation, power_state, standing, round)
     select distinct on (d.uuid, d.generation) :host, d.uuid, d.generation, d.power, d.standing, :round
     from d where not exists (select from known k where k.uuid = d.uuid and k.generation = d.generation)
     order by d.uuid, d.generation
     limit greatest(0, cast(:most as integer) - (select count(*) from strays where host = :host))
     on conflict do nothing
     returning instance_uuid as uuid, generation`,
    { host, round, most, strays: JSON.stringify(strays) },
  );
}

/** Forgets what a whole round no longer showed. */
export async function forgetStrays(trx: Knex, host: string, round: number): Promise<void> {
  await trx.raw('delete from strays where host = ? and round < ?', [host, round]);
}

/** Whatever round showed them: the next whole one says which of them are there. */
export async function forgetStrayRounds(trx: Knex, host: string): Promise<void> {
  await trx.raw('update strays set round = 0 where host = ? and round <> 0', [host]);
}

/**
 * Domains that this host keeps or left and must not run: of guests that are built anew elsewhere because it was down, and of those that moved
 * and may be reverted.
 */
export function runningElsewhere(knex: Knex, host: string, domains: readonly Sighting[]): Promise<readonly Sighting[]> {
  if (domains.length === 0) return Promise.resolve([]);
  return rowsOf<Sighting>(
    knex,
    `select d.uuid, d.generation, d.power
     from jsonb_to_recordset(cast(:domains as jsonb)) as d (uuid uuid, generation integer, power integer)
     join server_migrations m on m.instance_uuid = d.uuid and m.open and (m.type = 'evacuation' or m.status = 'finished')
       and m.source_host = :host and m.source_generation = d.generation
     order by d.uuid`,
    { host, domains: JSON.stringify(domains) },
  );
}

/** Hosts that show a domain of the instance without being given it. */
export async function strayHosts(knex: Knex, instanceUuid: string): Promise<readonly string[]> {
  const rows = await rowsOf<{ host: string }>(knex, 'select distinct host from strays where instance_uuid = :instanceUuid order by 1', {
    instanceUuid,
  });
  return rows.map(({ host }) => host);
}

export interface StrayCount {
  readonly host: string;
  readonly standing: Standing;
  readonly count: number;
}

export const countStrays = (knex: Knex): Promise<readonly StrayCount[]> =>
  rowsOf<StrayCount>(knex, 'select host, standing, count(*)::int as count from strays group by 1, 2 order by 1, 2');

/** How far beyond what the database knows a generation is believed. */
const GENERATION_LEAP = 1_000;

/**
 * SQL: the highest generation of the instance `i` that is known to be given: by this database, or by one that it was
 * restored from, as hosts show it. What they show counts within bounds, so that no host can use the numbers up.
 */
export const LAST_GENERATION = `greatest(i.last_generation, (select max(s.generation) from strays s
  where s.instance_uuid = i.uuid and s.generation <= greatest(i.last_generation, i.generation) + ${GENERATION_LEAP}))`;
