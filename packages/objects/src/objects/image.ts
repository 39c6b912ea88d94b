import { Exclude, Expose } from '@kilonova/rpc';

/** What the control plane needs to know of an image; resolved by the api when the request arrives. */
@Exclude()
export class Image {
  @Expose() id!: string;
  @Expose() name: string | null = null;
  /** GiB; a flavor with a smaller root disk (and not 0) is refused. */
  @Expose() minDiskGb: number = 0;
  /** MiB */
  @Expose() minRamMb: number = 0;
  /** Bytes */
  @Expose() size: number = 0;
  @Expose() diskFormat: string | null = null;
  @Expose() containerFormat: string | null = null;
  /** hw_*, os_*, img_* and the like. */
  @Expose() properties: Record<string, string> = {};
}
