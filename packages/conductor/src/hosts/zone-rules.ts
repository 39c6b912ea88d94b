import type { HostZones } from '../db/aggregates.ts';

/**
 * What aggregates may do to zones: a host is in one zone at most, and the zone of a host with servers stays what it is,
 * so that a server never finds itself in a zone that nobody asked for. Checked on what a change made of the hosts.
 */
export interface ZoneBreach {
  readonly kind: 'second zone' | 'servers would move';
  readonly reason: string;
}

export function zoneBreach(before: readonly HostZones[], after: readonly HostZones[], defaultZone: string): ZoneBreach | null {
  const zonesBefore = new Map(before.map(({ host, zones }) => [host, zones]));
  const others = after
    .filter(({ zones }) => zones.length > 1)
    .flatMap(({ host, zones }) => zones.filter((zone) => zonesBefore.get(host)?.includes(zone)));
  if (after.some(({ zones }) => zones.length > 1)) {
    const named = [...new Set(others)]
      .toSorted()
      .map((zone) => `'${zone}'`)
      .join(', ');
    return { kind: 'second zone', reason: `One or more hosts already in availability zone(s) [${named}]` };
  }
  const zoneOf = (zones: readonly string[] | undefined) => zones?.[0] ?? defaultZone;
  const moved = after.find(({ host, zones, servers }) => servers > 0 && zoneOf(zones) !== zoneOf(zonesBefore.get(host)));
  if (moved === undefined) return null;
  return {
    kind: 'servers would move',
    reason:
      `One or more hosts contain instances in this zone: ${moved.host} with ${moved.servers} would move from ` +
      `${zoneOf(zonesBefore.get(moved.host))} to ${zoneOf(moved.zones)}`,
  };
}
