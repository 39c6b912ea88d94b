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
