import {
  HostDigest,
  Zone,
  type HostState,
  type Hypervisor,
  type HypervisorRef,
  type ListHostStates,
  type ListHypervisors,
} from '@kilonova/objects';
import type { ListZones, Service } from '@kilonova/objects';
import * as states from '../db/host-states.ts';
import * as hypervisors from '../db/hypervisors.ts';
import { servicePage } from '../db/services.ts';
import type { Services } from '../services.ts';
import { pageLimit, pieces } from './pages.ts';
import { refuseIfDenied } from './scopes.ts';

export async function* listHypervisors({ knex, config }: Services, request: ListHypervisors): AsyncGenerator<readonly Hypervisor[]> {
  refuseIfDenied(request.scope);
  const limit = pageLimit(request.limit, config.conductor.pageMax);
  yield* pieces(await hypervisors.hypervisorPage(knex, config.conductor, request, limit), config.conductor.pieceRows);
}

export async function getHypervisor({ knex, config }: Services, request: HypervisorRef): Promise<Hypervisor> {
  const hypervisor = await hypervisors.findHypervisor(knex, config.conductor, request);
  refuseIfDenied(request.scope);
  return hypervisor;
}

/** Zones of compute hosts by name; with services also the one of the control plane itself. */
export async function* listZones({ knex, config }: Services, { scope, withServices }: ListZones): AsyncGenerator<readonly Zone[]> {
  refuseIfDenied(scope);
  const { internalZone, pieceRows } = config.conductor;
  const services: Service[] = [];
  for (let page = await nextServices(0); page.length > 0; page = await nextServices(page.at(-1)!.id)) services.push(...page);
  const zones = new Map<string, Service[]>();
  for (const service of services) {
    const inZone = zones.get(service.availabilityZone);
    if (inZone === undefined) zones.set(service.availabilityZone, [service]);
    else inZone.push(service);
  }
  if (!withServices) zones.delete(internalZone);
  const sorted = [...zones].toSorted(([one], [other]) => (one < other ? -1 : 1));
  yield* pieces(
    sorted.map(([name, inZone]) =>
      Object.assign(new Zone(), {
        name,
        available: inZone.some((service) => !service.disabled),
        services: withServices ? inZone : [],
      }),
    ),
    pieceRows,
  );

  function nextServices(after: number): Promise<Service[]> {
    return servicePage(
      knex,
      config.conductor,
      { host: null, binary: withServices ? null : 'nova-compute' },
      after,
      config.conductor.pageMax,
    );
  }
}

export async function* listHostStates({ knex, config }: Services, { hosts }: ListHostStates): AsyncGenerator<readonly HostState[]> {
  const { defaultZone, pieceRows } = config.conductor;
  if (hosts !== null) {
    for (const piece of pieces(hosts, pieceRows)) yield await states.hostStates(knex, piece, defaultZone);
    return;
  }
  let after = '';
  for (;;) {
    const page = await states.hostStatesPage(knex, after, pieceRows, defaultZone);
    if (page.length > 0) yield page;
    if (page.length < pieceRows) return;
    after = page.at(-1)!.host;
  }
}

export const getHostDigest = async ({ knex }: Services): Promise<HostDigest> =>
  Object.assign(new HostDigest(), await states.hostDigest(knex));
