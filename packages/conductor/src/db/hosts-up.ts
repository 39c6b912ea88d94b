import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';
import { isUp } from './zones.ts';

/** Whether the host reports; false for a host that is not known. */
export async function hostIsUp(knex: Knex, host: string): Promise<boolean> {
  const { rows } = await knex.raw('select up from hosts where host = ?', [host]);
  return (rows as { up: boolean }[])[0]?.up === true;
}

/** Whether the host's agent is heard, although it may not get work yet: what it was told to remove may run there. */
export async function hostReports(knex: Knex, host: string, serviceDownMs: number): Promise<boolean> {
  const found = await rowsOf(knex, `select 1 from services s where s.host = :host and s."binary" = 'nova-compute' and ${isUp('s')}`, {
    host,
    serviceDownMs,
  });
  return found.length > 0;
}

/** As hostIsUp, and the host neither comes up nor goes down before the transaction ends, which waits for nothing else from here on. */
export async function holdHost(trx: Knex.Transaction, host: string): Promise<boolean> {
  const { rows } = await trx.raw('select up from hosts where host = ? for share', [host]);
  return (rows as { up: boolean }[])[0]?.up === true;
}

/** Those of the hosts that report. */
export async function hostsUp(knex: Knex, hosts: readonly string[]): Promise<ReadonlySet<string>> {
  if (hosts.length === 0) return new Set();
  const { rows } = await knex.raw('select host from hosts where up and host = any(cast(? as text[]))', [[...hosts]]);
  return new Set((rows as { host: string }[]).map(({ host }) => host));
}

/** What tells whether a guest may be sent from one host to another. */
export interface HostSigns {
  readonly up: boolean;
  readonly hypervisorType: string;
  readonly hypervisorVersion: number;
}

/** By name; of those that are known. */
export async function hostSigns(knex: Knex, hosts: readonly string[]): Promise<ReadonlyMap<string, HostSigns>> {
  const { rows } = await knex.raw(
    `select host, up, hypervisor_type as "hypervisorType", hypervisor_version::float8 as "hypervisorVersion" from hosts
     where host = any(cast(? as text[]))`,
    [[...new Set(hosts)]],
  );
  return new Map((rows as (HostSigns & { host: string })[]).map((row) => [row.host, row]));
}

export async function hostIsKnown(knex: Knex, host: string): Promise<boolean> {
  const { rows } = await knex.raw('select 1 from hosts where host = ?', [host]);
  return rows.length > 0;
}

/**
 * SQL: no guest may run on the host `h` that has another host by now, or will have: one that was evacuated, or that it was told to
 * run before it was forced down. A host that returns gets no work before it said so.
 */
export const RID_OF_DOUBLES = `not exists (select from server_migrations m
  where m.source_host = h.host and m.type = 'evacuation' and (m.open or m.status = 'done'))
  and not exists (select from cleanups c
    join instances i on i.uuid = c.instance_uuid and i.host is distinct from c.host
    join tasks t on t.id = cast(split_part(c.undoes, '/', 1) as uuid) and t.failure ->> 'forcedDown' = 'true'
    where c.host = h.host)`;
