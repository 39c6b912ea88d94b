import { failure, Service, type ServiceRef } from '@kilonova/objects';
import type { Knex } from 'knex';
import { isRowId, isUuid, rowsOf } from './rows.ts';
import { isUp, zoneOf } from './zones.ts';

/** The names of zones, and how long a service may be silent. */
export interface ServiceView {
  readonly defaultZone: string;
  readonly internalZone: string;
  readonly serviceDownMs: number;
}

/** SQL: the fields of a Service from the row `s`. */
export const SERVICE_FIELDS = `
  s.id, s.uuid, s."binary", s.host, s.disabled, s.disabled_reason as "disabledReason", s.forced_down as "forcedDown", s.version,
  case s."binary" when 'nova-compute' then ${zoneOf('s.host')} else :internalZone end as "availabilityZone",
  ${isUp('s')} as up, s.last_seen_at as "updatedAt"`;

export const asService = (row: object): Service => Object.assign(new Service(), row);
const viewOf = ({ defaultZone, internalZone, serviceDownMs }: ServiceView) => ({ defaultZone, internalZone, serviceDownMs });

/** By id; `after` is the last id of the page before. */
export async function servicePage(
  knex: Knex,
  view: ServiceView,
  wanted: { readonly host: string | null; readonly binary: string | null },
  after: number,
  limit: number,
): Promise<Service[]> {
  const rows = await rowsOf<object>(
    knex,
    `select ${SERVICE_FIELDS} from services s
     where s.id > :after and (cast(:host as text) is null or s.host = :host) and (cast(:binary as text) is null or s."binary" = :binary)
     order by s.id limit :limit`,
    { ...viewOf(view), host: wanted.host, binary: wanted.binary, after, limit },
  );
  return rows.map(asService);
}

const notFound = ({ uuid, id, host, binary }: ServiceRef) =>
  uuid === null && id === null
    ? failure('ServiceNotFound', `Could not find binary ${binary} on host ${host}.`)
    : failure('ServiceNotFound', `Service ${uuid ?? id} could not be found.`);

/** The service, changed by nobody else until the transaction ends. @throws ServiceNotFound */
export async function lockService(trx: Knex.Transaction, view: ServiceView, ref: ServiceRef): Promise<Service> {
  const { uuid, id, host, binary } = ref;
  if ((uuid !== null && !isUuid(uuid)) || (id !== null && !isRowId(id))) throw notFound(ref);
  const rows = await rowsOf<object>(
    trx,
    `select ${SERVICE_FIELDS} from services s
     where ${uuid !== null ? 's.uuid = :uuid' : id !== null ? 's.id = :id' : 's.host = :host and s."binary" = :binary'} for update`,
    { ...viewOf(view), uuid, id, host, binary },
  );
  if (rows[0] === undefined) throw notFound(ref);
  return asService(rows[0]);
}

export async function writeService(trx: Knex.Transaction, { id, disabled, disabledReason, forcedDown }: Service): Promise<void> {
  await trx.raw(
    `update services set disabled = :disabled, disabled_reason = :disabledReason, forced_down = :forcedDown, updated_at = kilonova_now()
     where id = :id`,
    { id, disabled, disabledReason, forcedDown },
  );
}

export const setHostDown = (trx: Knex.Transaction, host: string): Promise<unknown> =>
  trx.raw('update hosts set up = false where host = :host', { host });

/** What keeps a host from being forgotten. */
export interface HostUse {
  /** Servers on it. */
  readonly servers: number;
  /** What it holds, or is to get, of servers that a task or an open move has in hand. */
  readonly claims: number;
  /** What it may still hold of servers that are deleted, or elsewhere. */
  readonly leftovers: number;
}

export async function lockHostUse(trx: Knex.Transaction, host: string): Promise<HostUse> {
  // In the order of those that settle a cleanup.
  await trx.raw('select 1 from cleanups where host = :host order by instance_uuid, generation for update', { host });
  await trx.raw('select 1 from hosts where host = :host for update', { host });
  const rows = await rowsOf<HostUse>(
    trx,
    `select (select count(*) from instances where host = :host)::int as servers,
       (select count(*) from allocations a where host = :host and not exists (
         select from cleanups c where (c.host, c.instance_uuid, c.generation) = (a.host, a.instance_uuid, a.generation)))::int as claims,
       (select count(*) from cleanups where host = :host)::int as leftovers`,
    { host },
  );
  return rows[0]!;
}

/** Removes a service; a compute host goes with it, out of its aggregates too. */
export async function deleteService(trx: Knex.Transaction, { id, host, binary }: Service): Promise<void> {
  if (binary === 'nova-compute') await trx.raw('delete from hosts where host = :host', { host });
  await trx.raw('delete from services where id = :id', { id });
}
