import { Exclude, Expose, Type } from '@kilonova/rpc';
import type { PowerState, TaskState, VmState } from '../states/states.ts';
import { Flavor } from './flavor.ts';

/** Why a server is in ERROR. Times are ISO 8601 in UTC with microseconds, here and everywhere. */
@Exclude()
export class Fault {
  @Expose() code!: number;
  @Expose() message!: string;
  @Expose() details: string = '';
  @Expose() createdAt!: string;
}

/** All that the API may show of a server (an instance). */
@Exclude()
export class Server {
  @Expose() uuid!: string;
  /** A running number, for `instance-%08x`. */
  @Expose() number!: number;
  @Expose() projectId!: string;
  @Expose() userId!: string;
  @Expose() name!: string;
  @Expose() description: string | null = null;
  @Expose() hostname!: string;
  @Expose() @Type(() => String) vmState!: VmState;
  @Expose() taskState: TaskState | null = null;
  @Expose() powerState: PowerState = 0;
  @Expose() progress: number = 0;
  @Expose() locked: boolean = false;
  @Expose() lockedReason: string | null = null;
  @Expose() host: string | null = null;
  @Expose() node: string | null = null;
  /** UP, DOWN, MAINTENANCE, UNKNOWN, or empty without a host. */
  @Expose() hostStatus: string = '';
  /** The zone of its host; the requested one before it has a host. */
  @Expose() availabilityZone: string | null = null;
  @Expose() pinnedAvailabilityZone: string | null = null;
  /** The flavor as it was when the server was made. */
  @Expose() @Type(() => Flavor) flavor!: Flavor;
  @Expose() imageId: string | null = null;
  @Expose() keyName: string | null = null;
  @Expose() metadata: Record<string, string> = {};
  @Expose() tags: string[] = [];
  @Expose() userData: string | null = null;
  @Expose() configDrive: boolean = false;
  /** AUTO or MANUAL: whether the disk is partitioned to the flavor's size. Kept for clients; no driver partitions. */
  @Expose() diskConfig: string = 'MANUAL';
  @Expose() accessIpV4: string | null = null;
  @Expose() accessIpV6: string | null = null;
  @Expose() reservationId!: string;
  @Expose() launchIndex: number = 0;
  @Expose() rootDeviceName: string | null = null;
  @Expose() kernelId: string | null = null;
  @Expose() ramdiskId: string | null = null;
  @Expose() serverGroupId: string | null = null;
  @Expose() createdAt!: string;
  @Expose() updatedAt!: string;
  @Expose() launchedAt: string | null = null;
  @Expose() terminatedAt: string | null = null;
  @Expose() deletedAt: string | null = null;
  @Expose() @Type(() => Fault) fault: Fault | null = null;
  /** As in ServerRevision; empty where it was not asked for. */
  @Expose({ since: 4 }) revision: string = '';
}

/** A row of the short list. */
@Exclude()
export class ServerName {
  @Expose() uuid!: string;
  @Expose() name!: string;
}

/** A row of a list, and which state of it: whatever a Server shows is the same as long as the revision is. */
@Exclude()
export class ServerRevision {
  @Expose() uuid!: string;
  /** To be compared only. */
  @Expose() revision!: string;
}
