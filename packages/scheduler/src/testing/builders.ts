/** Builders for tests: they name only what matters. */
import { Flavor, GroupPlacement, HostAggregate, HostRequest, HostState, Image } from '@kilonova/objects';
import type { HostFilter } from '../filter.ts';
import { Placements } from '../selection/placements.ts';
import { HostTable } from '../snapshot/host-table.ts';

export const aHost = (given: Partial<HostState> = {}): HostState =>
  Object.assign(new HostState(), {
    host: 'host-1',
    node: given.host ?? 'host-1',
    cell: 'cell1',
    revision: 1,
    availabilityZone: 'nova',
    up: true,
    vcpus: 16,
    memoryMb: 32_768,
    diskGb: 1_000,
    hypervisorType: 'fake',
    supportedInstances: [['x86_64', 'fake', 'hvm']],
    ...given,
  });

export const anAggregate = (metadata: Record<string, string>, id = 1): HostAggregate =>
  Object.assign(new HostAggregate(), { id, name: `aggregate-${id}`, metadata });

export const aFlavor = (given: Partial<Flavor> = {}): Flavor =>
  Object.assign(new Flavor(), { flavorId: '1', name: 'm1.tiny', vcpus: 1, memoryMb: 512, rootGb: 1, ...given });

export const anImage = (properties: Record<string, string>, id = 'image-1'): Image => Object.assign(new Image(), { id, properties });

export const aGroup = (given: Partial<GroupPlacement>): GroupPlacement =>
  Object.assign(new GroupPlacement(), { uuid: 'group-1', ...given });

export const aRequest = (given: Partial<HostRequest> = {}): HostRequest =>
  Object.assign(new HostRequest(), { instanceUuids: ['instance-1'], projectId: 'project-1', flavor: aFlavor(), ...given });

export const aTable = (...hosts: readonly HostState[]): HostTable => {
  const table = new HostTable(16);
  for (const host of hosts) table.put(host);
  return table;
};

/** `fits`, or why not. */
export function verdict(filter: HostFilter, host: HostState, request: HostRequest): string {
  const compiled = filter.compile(request, { hosts: aTable(host), placed: new Placements() });
  return compiled === undefined || compiled.test(0) ? 'fits' : filter.why(host, request);
}
