/** A made-up cloud: racks in zones, aggregates with metadata that the extra specs of flavors ask for. */
import { HostAggregate, HostState } from '@kilonova/objects';

export const ZONES = 4;
const AGGREGATES = 20;
export const zoneName = (index: number): string => `zone-${index % ZONES}`;
/** Half of the aggregates. */
export const FAST = { 'aggregate_instance_extra_specs:ssd': 'true' } as const;

/** The host of that number, always the same; nothing is on it. Objects of hosts are not shared, as if they had come by wire. */
export function madeUpHost(index: number): HostState {
  const zone = zoneName(index);
  return Object.assign(new HostState(), {
    host: `host-${index}`,
    node: `host-${index}`,
    cell: 'cell1',
    revision: 1,
    availabilityZone: zone,
    aggregates: [
      aggregate(1 + (index % ZONES), zone, { availability_zone: zone }),
      aggregate(100 + (index % AGGREGATES), `rack-${index % AGGREGATES}`, {
        ssd: String(Math.floor(index / ZONES) % 2 === 0),
        generation: String(index % 3),
      }),
    ],
    up: true,
    vcpus: 32 + 32 * (index % 3),
    memoryMb: 131_072 + 65_536 * (index % 3),
    diskGb: 2_000 + 500 * (index % 5),
    cpuRatio: 4,
    hypervisorType: 'fake',
    hypervisorVersion: 1_000,
    supportedInstances: [['x86_64', 'fake', 'hvm']],
    capabilities: { cpu_info: { model: `model-${index % 3}`, features: ['avx', 'sse'] } },
  });
}

const aggregate = (id: number, name: string, metadata: Record<string, string>): HostAggregate =>
  Object.assign(new HostAggregate(), { id, name, metadata });
