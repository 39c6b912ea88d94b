import { Exclude, Expose } from '@kilonova/rpc';

/** Servers that want to be together or apart; the claim's transaction holds them to it. Soft policies are kept and do not weigh yet. */
@Exclude()
export class ServerGroup {
  @Expose() uuid!: string;
  @Expose() projectId!: string;
  @Expose() userId!: string;
  @Expose() name!: string;
  /** affinity, anti-affinity, soft-affinity, soft-anti-affinity */
  @Expose() policy!: string;
  /** Only with anti-affinity; 1 when not said. */
  @Expose() maxServersPerHost: number | null = null;
  /** UUIDs of servers that were not deleted. */
  @Expose() members: string[] = [];
  @Expose() createdAt!: string;
}
