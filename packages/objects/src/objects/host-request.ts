import { Exclude, Expose, Type } from '@kilonova/rpc';
import { Flavor } from './flavor.ts';
import { Image } from './image.ts';

/** The server group of a request and where its members are now. */
@Exclude()
export class GroupPlacement {
  @Expose() uuid!: string;
  @Expose() policy!: string;
  @Expose() maxServersPerHost: number = 1;
  /** Members per host. */
  @Expose() membersByHost: Record<string, number> = {};
}

/** What hosts are wanted for: equal instances of one request. */
@Exclude()
export class HostRequest {
  /** One answer each, in this order. */
  @Expose() instanceUuids: string[] = [];
  @Expose() projectId!: string;
  @Expose() availabilityZone: string | null = null;
  @Expose() @Type(() => Flavor) flavor!: Flavor;
  @Expose() @Type(() => Image) image: Image | null = null;
  @Expose() @Type(() => GroupPlacement) group: GroupPlacement | null = null;
  /** different_host and same_host, resolved to hosts by the conductor; null when not asked. */
  @Expose() differentHosts: string[] | null = null;
  @Expose() sameHosts: string[] | null = null;
  /** Other scheduler hints as sent. */
  @Expose() hints: Record<string, unknown> = {};
  /** `zone:host` skips the filters; only this host is considered. */
  @Expose() forcedHost: string | null = null;
  /** `host` (2.74) does not skip them. */
  @Expose() requestedHost: string | null = null;
  /** Hosts that already failed this request. */
  @Expose() excludedHosts: string[] = [];
  /** How many further hosts are wanted behind each choice. */
  @Expose() alternates: number = 0;
}

/** Several requests that are asked together; each is answered as if it had been alone, in their order. */
@Exclude()
export class HostRequests {
  @Expose({ since: 1 }) @Type(() => HostRequest) requests: HostRequest[] = [];
}
