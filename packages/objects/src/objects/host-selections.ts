import { Exclude, Expose, Type } from '@kilonova/rpc';

/** Where one instance may go. */
@Exclude()
export class HostSelection {
  @Expose() instanceUuid!: string;
  /** The choice first, then alternates. Empty: no host is left for this instance. */
  @Expose() hosts: string[] = [];
}

/** How many hosts one filter refused, and the reason of the nearest miss among them; a filter may be there once for each of its reasons. */
@Exclude()
export class Refusal {
  @Expose() filter!: string;
  @Expose() hosts!: number;
  @Expose() reason!: string;
}

/** The answer to a HostRequest: a proposal from a snapshot, which only the claim makes true. */
@Exclude()
export class HostSelections {
  @Expose() @Type(() => HostSelection) selections: HostSelection[] = [];
  @Expose() hostsConsidered!: number;
  /** Filled when at least one instance got no host. */
  @Expose() @Type(() => Refusal) refusals: Refusal[] = [];
  /** `4 hosts considered: 3 not in zone test-az, 1 with 512 of 2048 MiB free`; empty when every instance got a host. */
  @Expose() explanation: string = '';
}

/** The answers to HostRequests, in their order. */
@Exclude()
export class HostAnswers {
  @Expose({ since: 1 }) @Type(() => HostSelections) answers: HostSelections[] = [];
}
