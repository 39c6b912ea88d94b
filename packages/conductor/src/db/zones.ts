/**
 * SQL for the zone of a host: that of the one aggregate of it that is a zone, or `:defaultZone`. Aggregates keep a host
 * out of a second zone.
 */
export const zoneOf = (host: string): string =>
  `coalesce((select a.availability_zone from aggregate_hosts ah join aggregates a on a.id = ah.aggregate_id
    where ah.host = ${host} and a.availability_zone is not null limit 1), :defaultZone)`;

/** SQL: the zone, null for none, has a compute host that is not disabled. A zone of an aggregate is found by its hosts alone. */
export const zoneTakesServers = (zone: string): string =>
  `case when ${zone} is null then false
     when exists (select from aggregates a join aggregate_hosts ah on ah.aggregate_id = a.id join services s on s.host = ah.host
       where a.availability_zone = ${zone} and s."binary" = 'nova-compute' and not s.disabled) then true
     else ${zone} = :defaultZone and exists (select from services s
       where s."binary" = 'nova-compute' and not s.disabled and ${zoneOf('s.host')} = :defaultZone) end`;

/** SQL: the service `s` shows signs of life. */
export const isUp = (service: string): string =>
  `(not ${service}.forced_down and coalesce(${service}.last_seen_at > kilonova_now() - cast(:serviceDownMs as double precision) * interval '1 millisecond', false))`;
