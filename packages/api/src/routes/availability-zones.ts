import { ListZones, type Zone } from '@kilonova/objects';
import type { Api } from '../api.ts';
import type { ApiRequest } from '../http/request.ts';
import { toMicrosOrNull } from '../views/times.ts';
import { collect, make, scopeFor } from './asking.ts';
import type { Route } from './route.ts';

const zonesOf = (api: Api, request: ApiRequest, withServices: boolean): Promise<Zone[]> =>
  collect(api, api.conductor.listZones(make(ListZones, { scope: scopeFor(api, request), withServices }), request.rpc));

/** The available ones first, as Nova lists them. */
const ordered = (zones: readonly Zone[]) => [...zones.filter((zone) => zone.available), ...zones.filter((zone) => !zone.available)];

async function list(api: Api, request: ApiRequest) {
  const zones = (await zonesOf(api, request, false)).filter(({ name }) => name !== api.config.internalServiceZone);
  return { availabilityZoneInfo: ordered(zones).map(({ name, available }) => ({ zoneName: name, zoneState: { available }, hosts: null })) };
}

/** host, then binary, then how it is. */
function hostsOf({ services }: Zone): object {
  const hosts: Record<string, Record<string, object>> = {};
  for (const { host, binary, disabled, up, updatedAt } of services) {
    hosts[host] ??= {};
    hosts[host][binary] = { active: !disabled, available: up, updated_at: toMicrosOrNull(updatedAt) };
  }
  return hosts;
}

async function detail(api: Api, request: ApiRequest) {
  const zones = await zonesOf(api, request, true);
  return {
    availabilityZoneInfo: ordered(zones).map((zone) => ({
      zoneName: zone.name,
      zoneState: { available: zone.available },
      hosts: zone.available ? hostsOf(zone) : null,
    })),
  };
}

const POLICY = 'os_compute_api:os-availability-zone';

export const availabilityZoneRoutes: readonly Route[] = [
  { method: 'GET', path: '/os-availability-zone', success: 200, policies: [`${POLICY}:list`], handle: list },
  { method: 'GET', path: '/os-availability-zone/detail', success: 200, policies: [`${POLICY}:detail`], handle: detail },
];
