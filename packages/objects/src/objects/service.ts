import { Exclude, Expose } from '@kilonova/rpc';

/** What every conductor that lives understands. */
@Exclude()
export class ConductorVersion {
  /** MAJOR.MINOR */
  @Expose() oldest!: string;
}

/** One server process of a binary on a host, as `os-services` shows it. */
@Exclude()
export class Service {
  @Expose() id!: number;
  @Expose() uuid!: string;
  /** nova-compute, nova-conductor, nova-scheduler */
  @Expose() binary!: string;
  @Expose() host!: string;
  @Expose() availabilityZone!: string;
  @Expose() disabled: boolean = false;
  @Expose() disabledReason: string | null = null;
  @Expose() forcedDown: boolean = false;
  @Expose() up: boolean = false;
  /** Wire version it speaks, MAJOR.MINOR. */
  @Expose() version!: string;
  /** Last heartbeat. */
  @Expose() updatedAt: string | null = null;
}
