/** For tests: hosts and requests of every kind, as a seed draws them. */
import type { Flavor, GroupPlacement, HostRequest, HostState } from '@kilonova/objects';
import type { Random } from '@kilonova/runtime';
import { aFlavor, aGroup, aHost, anAggregate, anImage, aRequest } from './builders.ts';

export interface MadeUp {
  name(): string;
  host(name: string, revision: number): HostState;
  request(): HostRequest;
}

const NAMES = 48;
const ZONES = ['az-1', 'az-2', 'az-3'];
const METADATA: readonly Readonly<Record<string, string>>[] = [
  { ssd: 'true' },
  { ssd: 'false' },
  { ram_weight_multiplier: '-2' },
  { max_instances_per_host: '5' },
  { max_io_ops_per_host: '3' },
];
const POLICIES = ['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity'];
const FLAVORS: readonly Flavor[] = [
  aFlavor({ vcpus: 1, memoryMb: 1_024, rootGb: 10 }),
  aFlavor({ vcpus: 2, memoryMb: 4_096, rootGb: 20, extraSpecs: { ssd: 'true' } }),
  aFlavor({ vcpus: 8, memoryMb: 2_048, rootGb: 0, extraSpecs: { 'capabilities:free_ram_mb': '>= 4096' } }),
  aFlavor({ vcpus: 0, memoryMb: 0, rootGb: 0 }),
];

export function madeUp(random: Random): MadeUp {
  const upTo = (most: number) => Math.floor(random.next() * (most + 1));
  const oneOf = <T>(values: readonly T[]): T => values[upTo(values.length - 1)]!;
  const sometimes = <T>(part: number, make: () => T): T | undefined => (random.next() < part ? make() : undefined);
  const name = () => `host-${upTo(NAMES - 1)}`;
  const names = (most: number) => Array.from({ length: upTo(most) }, name);
  const group = (): GroupPlacement =>
    aGroup({
      policy: oneOf(POLICIES),
      maxServersPerHost: 1 + upTo(1),
      membersByHost: Object.fromEntries(names(5).map((member) => [member, 1 + upTo(2)])),
    });
  return {
    name,
    host: (host, revision) =>
      aHost({
        host,
        revision,
        availabilityZone: oneOf(ZONES),
        aggregates: Array.from({ length: upTo(3) }, (_, id) => anAggregate(oneOf(METADATA), id)),
        enabled: random.next() < 0.95,
        up: random.next() < 0.9,
        vcpus: 8 * (1 + upTo(2)),
        cpuRatio: 1 + upTo(1),
        memoryMb: oneOf([8_192, 16_384]) + (sometimes(0.02, () => 65_536) ?? 0),
        reservedMemoryMb: oneOf([0, 512]),
        diskGb: oneOf([100, 200]),
        vcpusUsed: upTo(12),
        memoryMbUsed: 1_024 * upTo(10),
        diskGbUsed: 10 * upTo(9),
        instances: upTo(6),
        ioOps: upTo(4),
        failedBuilds: sometimes(0.1, () => 1) ?? 0,
        supportedInstances: [[oneOf(['x86_64', 'aarch64']), 'fake', 'hvm']],
      }),
    request: () =>
      aRequest({
        instanceUuids: Array.from({ length: 1 + (sometimes(0.3, () => upTo(6)) ?? 0) }, () => random.uuid()),
        alternates: upTo(3),
        flavor: oneOf(FLAVORS),
        availabilityZone: sometimes(0.5, () => oneOf(ZONES)) ?? null,
        image: sometimes(0.2, () => anImage({ hw_architecture: oneOf(['x86_64', 'aarch64']) })) ?? null,
        group: sometimes(0.4, group) ?? null,
        differentHosts: sometimes(0.1, () => names(8)) ?? null,
        sameHosts: sometimes(0.1, () => names(8)) ?? null,
        requestedHost: sometimes(0.05, name) ?? null,
        excludedHosts: sometimes(0.2, () => names(4)) ?? [],
      }),
  };
}
