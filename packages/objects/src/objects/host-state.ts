import { Exclude, Expose, Type } from '@kilonova/rpc';

@Exclude()
export class HostAggregate {
  @Expose() id!: number;
  @Expose() name!: string;
  /** With availability_zone, as the filters see it. */
  @Expose() metadata: Record<string, string> = {};
}

/** A host's absolute state as the scheduler keeps it. The higher `revision` of a host wins. */
@Exclude()
export class HostState {
  @Expose() host!: string;
  @Expose() node!: string;
  @Expose() cell!: string;
  /** Grows with every write of what stands here, in the transaction that writes it. */
  @Expose() revision!: number;
  @Expose() availabilityZone!: string;
  @Expose() @Type(() => HostAggregate) aggregates: HostAggregate[] = [];
  /** By an operator. */
  @Expose() enabled: boolean = true;
  /** It reports, and is not forced down. */
  @Expose() up: boolean = false;
  /** Whole amounts of the host; what may be claimed is (total - reserved) x ratio. */
  @Expose() vcpus!: number;
  @Expose() memoryMb!: number;
  @Expose() diskGb!: number;
  @Expose() reservedVcpus: number = 0;
  @Expose() reservedMemoryMb: number = 0;
  @Expose() reservedDiskGb: number = 0;
  @Expose() cpuRatio: number = 1;
  @Expose() memoryRatio: number = 1;
  @Expose() diskRatio: number = 1;
  /** Sums of the allocations on it. */
  @Expose() vcpusUsed: number = 0;
  @Expose() memoryMbUsed: number = 0;
  @Expose() diskGbUsed: number = 0;
  @Expose() instances: number = 0;
  /** Instances in a task that is heavy on disk (build, resize, snapshot, ...). */
  @Expose() ioOps: number = 0;
  @Expose() failedBuilds: number = 0;
  @Expose() hypervisorType!: string;
  @Expose() hypervisorVersion: number = 0;
  /** [architecture, hypervisor type, vm mode] each, for image properties. */
  @Expose() supportedInstances: string[][] = [];
  /** What capabilities: extra specs are matched with; nested by `:` in the key. */
  @Expose() capabilities: Record<string, unknown> = {};
}
