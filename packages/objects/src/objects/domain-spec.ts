import { Exclude, Expose, Type } from '@kilonova/rpc';

@Exclude()
export class DiskSpec {
  /** image, ephemeral, swap */
  @Expose() kind!: string;
  @Expose() sizeMb!: number;
  @Expose() imageId: string | null = null;
}

/** All that a host needs to run an instance: no call back for data. */
@Exclude()
export class DomainSpec {
  @Expose() uuid!: string;
  @Expose() generation!: number;
  @Expose() name!: string;
  @Expose() hostname!: string;
  @Expose() vcpus!: number;
  @Expose() memoryMb!: number;
  @Expose() @Type(() => DiskSpec) disks: DiskSpec[] = [];
  @Expose() imageId: string | null = null;
  @Expose() imageProperties: Record<string, string> = {};
  @Expose() extraSpecs: Record<string, string> = {};
  @Expose() metadata: Record<string, string> = {};
  @Expose() projectId!: string;
  @Expose() userId!: string;
  @Expose() keyName: string | null = null;
  @Expose() publicKey: string | null = null;
  /** base64, as the user sent it */
  @Expose() userData: string | null = null;
  @Expose() configDrive: boolean = false;
}
