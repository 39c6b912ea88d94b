import { Exclude, Expose, Type } from '@kilonova/rpc';
import { Service } from './service.ts';

/** An availability zone: the hosts of the aggregates that name it, or those that are in none. */
@Exclude()
export class Zone {
  @Expose() name!: string;
  /** At least one enabled service lives in it. */
  @Expose() available!: boolean;
  /** Empty unless asked for in detail. */
  @Expose() @Type(() => Service) services: Service[] = [];
}
