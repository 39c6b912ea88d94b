import { Exclude, Expose, Type } from '@kilonova/rpc';
import { HostState } from './host-state.ts';

/** News of hosts for every scheduler. A gap in `sequence` of a publisher means: reload. */
@Exclude()
export class HostChange {
  @Expose() publisher!: string;
  @Expose() sequence!: number;
  @Expose() @Type(() => HostState) hosts: HostState[] = [];
  @Expose() removedHosts: string[] = [];
}
