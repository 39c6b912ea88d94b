import { Exclude, Expose, Type } from '@kilonova/rpc';
import { Service } from './service.ts';

@Exclude()
export class Zone {
  @Expose() name!: string;
  /** At least one enabled service lives in it. */
  @Expose() available!: boolean;
  /** Empty unless asked for in detail. */
  @Expose() @Type(() => Service) services: Service[] = [];
}
