import { Aggregate, failure } from '@kilonova/objects';
import type { Knex } from 'knex';
import { brokenReferenceOf, doubleOf } from './refusals.ts';
import { changedBy, isRowId, rowsOf } from './rows.ts';

const COLUMNS = `
  g.id, g.uuid, g.name, g.metadata, g.availability_zone as "availabilityZone", g.created_at as "createdAt", g.updated_at as "updatedAt",
  coalesce((select jsonb_agg(ah.host order by ah.host) from aggregate_hosts ah where ah.aggregate_id = g.id), '[]') as hosts`;
const asAggregate = (row: object): Aggregate => Object.assign(new Aggregate(), row);
const notFound = (id: number) => failure('AggregateNotFound', `Aggregate ${id} could not be found.`);
const exists = (name: string) => failure('AggregateExists', `Aggregate ${name} already exists.`);

/** In the order in which they were made; `after` is the last id of the page before. */
export async function aggregatePage(knex: Knex, after: number, limit: number): Promise<Aggregate[]> {
  const rows = await rowsOf<object>(knex, `select ${COLUMNS} from aggregates g where g.id > :after order by g.id limit :limit`, {
    after,
    limit,
  });
  return rows.map(asAggregate);
}

/** @throws AggregateNotFound */
export async function findAggregate(knex: Knex, id: number): Promise<Aggregate> {
  if (!isRowId(id)) throw notFound(id);
  const rows = await rowsOf<object>(knex, `select ${COLUMNS} from aggregates g where g.id = :id`, { id });
  if (rows[0] === undefined) throw notFound(id);
  return asAggregate(rows[0]);
}

/** The aggregate, changed by nobody else until the transaction ends. @throws AggregateNotFound */
export async function lockAggregate(trx: Knex.Transaction, id: number): Promise<Aggregate> {
  if (!isRowId(id)) throw notFound(id);
  await trx.raw('select 1 from aggregates where id = :id for update', { id });
  return findAggregate(trx, id);
}

/** @throws AggregateExists */
export async function insertAggregate(knex: Knex, uuid: string, name: string, availabilityZone: string | null): Promise<Aggregate> {
  try {
    const rows = await rowsOf<object>(
      knex,
      `with g as (insert into aggregates (uuid, name, availability_zone) values (:uuid, :name, :availabilityZone) returning *)
       select ${COLUMNS} from g`,
      { uuid, name, availabilityZone },
    );
    return asAggregate(rows[0]!);
  } catch (error) {
    if (doubleOf(error) === 'aggregates_name_key') throw exists(name);
    throw error;
  }
}

/** Writes its name, zone and metadata. @throws AggregateExists */
export async function writeAggregate(
  trx: Knex.Transaction,
  { id, name, availabilityZone, metadata }: Pick<Aggregate, 'id' | 'name' | 'availabilityZone' | 'metadata'>,
): Promise<void> {
  try {
    await trx.raw(
      `update aggregates set name = :name, availability_zone = :availabilityZone, metadata = cast(:metadata as jsonb), updated_at = kilonova_now()
       where id = :id`,
      { id, name, availabilityZone, metadata: JSON.stringify(metadata) },
    );
  } catch (error) {
    if (doubleOf(error) === 'aggregates_name_key') throw exists(name);
    throw error;
  }
}

export const deleteAggregate = (trx: Knex.Transaction, id: number): Promise<unknown> =>
  trx.raw('delete from aggregates where id = :id', { id });

/** @returns false when it is a member already. @throws HostNotFound */
export async function addAggregateHost(trx: Knex.Transaction, id: number, host: string): Promise<boolean> {
  try {
    return (
      (await changedBy(trx, 'insert into aggregate_hosts (aggregate_id, host) values (:id, :host) on conflict do nothing', { id, host })) >
      0
    );
  } catch (error) {
    if (brokenReferenceOf(error) === 'aggregate_hosts_host_fkey') throw failure('HostNotFound', `Compute host ${host} could not be found.`);
    throw error;
  }
}

/** @returns false when it is no member. */
export const removeAggregateHost = async (trx: Knex.Transaction, id: number, host: string): Promise<boolean> =>
  (await changedBy(trx, 'delete from aggregate_hosts where aggregate_id = :id and host = :host', { id, host })) > 0;

/** In which zones a host is by its aggregates, and how many servers are on it. */
export interface HostZones {
  readonly host: string;
  readonly zones: readonly string[];
  readonly servers: number;
}

/** Locks the hosts in the order of their names, so that no server is claimed for them until the transaction ends. */
export async function lockHostZones(trx: Knex.Transaction, hosts: readonly string[]): Promise<HostZones[]> {
  await trx.raw('select 1 from hosts where host = any (cast(:hosts as text[])) order by host for update', { hosts });
  return rowsOf<HostZones>(
    trx,
    `select h.host,
       coalesce((select jsonb_agg(distinct a.availability_zone) from aggregate_hosts ah join aggregates a on a.id = ah.aggregate_id
         where ah.host = h.host and a.availability_zone is not null), '[]') as zones,
       (select count(*) from instances i where i.host = h.host) as servers
     from hosts h where h.host = any (cast(:hosts as text[])) order by h.host`,
    { hosts },
  );
}
