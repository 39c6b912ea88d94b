import { Exclude, Expose } from '@kilonova/rpc';

/** Hosts that an operator put together. A host may be in several, but in one zone only. */
@Exclude()
export class Aggregate {
  @Expose() id!: number;
  @Expose() uuid!: string;
  @Expose() name!: string;
  /** Without the key availability_zone, which stands in its own field. */
  @Expose() metadata: Record<string, string> = {};
  @Expose() availabilityZone: string | null = null;
  @Expose() hosts: string[] = [];
  @Expose() createdAt!: string;
  @Expose() updatedAt: string | null = null;
}
