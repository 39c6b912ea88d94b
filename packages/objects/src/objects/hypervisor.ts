import { Exclude, Expose, Type } from '@kilonova/rpc';
import { ServerName } from './server.ts';
import { Service } from './service.ts';

/** A compute node as `os-hypervisors` shows it. */
@Exclude()
export class Hypervisor {
  @Expose() id!: number;
  @Expose() uuid!: string;
  @Expose() hostname!: string;
  @Expose() @Type(() => Service) service!: Service;
  @Expose() hostIp: string | null = null;
  @Expose() type!: string;
  @Expose() version!: number;
  @Expose() cpuInfo: Record<string, unknown> = {};
  @Expose() vcpus!: number;
  @Expose() vcpusUsed!: number;
  @Expose() memoryMb!: number;
  @Expose() memoryMbUsed!: number;
  @Expose() diskGb!: number;
  @Expose() diskGbUsed!: number;
  @Expose() diskAvailableLeast: number | null = null;
  @Expose() runningVms!: number;
  @Expose() currentWorkload!: number;
  /** Seconds since the host came up; null when the driver cannot say. */
  @Expose() uptimeSeconds: number | null = null;
  /** Only when they were asked for. */
  @Expose() @Type(() => ServerName) servers: ServerName[] = [];
}
