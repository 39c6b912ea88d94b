import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';

/**
 * SQL for the zone of a host: that of the one aggregate of it that is a zone, or `:defaultZone`. Aggregates keep a host
 * out of a second zone.
 */
export const zoneOf = (host: string): string =>
  `coalesce((select a.availability_zone from aggregate_hosts ah join aggregates a on a.id = ah.aggregate_id
    where ah.host = ${host} and a.availability_zone is not null limit 1), :defaultZone)`;

/** SQL: the service `s` shows signs of life. */
export const isUp = (service: string): string =>
  `(not ${service}.forced_down and coalesce(${service}.last_seen_at > kilonova_now() - cast(:serviceDownMs as double precision) * interval '1 millisecond', false))`;

/** Whether a compute host that is not disabled lives in the zone. */
export async function zoneTakesServers(knex: Knex, zone: string, defaultZone: string): Promise<boolean> {
  const found = await rowsOf<{ found: boolean }>(
    knex,
    `select exists (
       select from services s where s."binary" = 'nova-compute' and not s.disabled and ${zoneOf('s.host')} = :zone
     ) as found`,
    { zone, defaultZone },
  );
  return found[0]?.found === true;
}
