import { Exclude, Expose } from '@kilonova/rpc';

/** What a server gets, and by its extra specs where it may go. Sizes are binary: MiB and GiB. */
@Exclude()
export class Flavor {
  /** The id that the API shows: any text, a UUID when chosen by the service. */
  @Expose() flavorId!: string;
  @Expose() name!: string;
  @Expose() vcpus!: number;
  @Expose() memoryMb!: number;
  @Expose() rootGb!: number;
  @Expose() ephemeralGb: number = 0;
  @Expose() swapMb: number = 0;
  @Expose() rxtxFactor: number = 1;
  @Expose() isPublic: boolean = true;
  @Expose() disabled: boolean = false;
  @Expose() description: string | null = null;
  @Expose() extraSpecs: Record<string, string> = {};
}
