import { call, Empty, Exclude, Expose, stream, Type } from '@kilonova/rpc';
import { Aggregate } from '../../objects/aggregate.ts';
import { HostState } from '../../objects/host-state.ts';
import { Hypervisor } from '../../objects/hypervisor.ts';
import { Scope } from '../../objects/scope.ts';
import { Service } from '../../objects/service.ts';
import { Zone } from '../../objects/zone.ts';

@Exclude()
export class AggregateRef {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() id!: number;
}

@Exclude()
export class ListAggregates {
  @Expose() @Type(() => Scope) scope!: Scope;
}

@Exclude()
export class CreateAggregate {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() name!: string;
  @Expose() availabilityZone: string | null = null;
}

@Exclude()
export class UpdateAggregate extends AggregateRef {
  /** Only what is not undefined changes. */
  @Expose() changes: { name?: string; availabilityZone?: string | null } = {};
}

@Exclude()
export class ChangeAggregateHost extends AggregateRef {
  @Expose() host!: string;
  /** true adds, false removes. */
  @Expose() member!: boolean;
}

@Exclude()
export class SetAggregateMetadata extends AggregateRef {
  /** A null value removes the key. availability_zone is a key like others here. */
  @Expose() metadata: Record<string, string | null> = {};
}

@Exclude()
export class ListZones {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() withServices: boolean = false;
}

@Exclude()
export class ListServices {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() host: string | null = null;
  @Expose() binary: string | null = null;
}

/** By uuid (2.53), or by host and binary. */
@Exclude()
export class ServiceRef {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() uuid: string | null = null;
  @Expose() id: number | null = null;
  @Expose() host: string | null = null;
  @Expose() binary: string | null = null;
}

@Exclude()
export class UpdateService extends ServiceRef {
  /** Only what is not undefined changes. */
  @Expose() changes: { disabled?: boolean; disabledReason?: string | null; forcedDown?: boolean } = {};
}

@Exclude()
export class ListHypervisors {
  @Expose() @Type(() => Scope) scope!: Scope;
  /** Part of the hostname. */
  @Expose() hostnamePattern: string | null = null;
  @Expose() withServers: boolean = false;
  /** An id or a uuid. */
  @Expose() marker: string | null = null;
  @Expose() limit!: number;
}

/** By uuid (2.53) or by id. */
@Exclude()
export class HypervisorRef {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() uuid: string | null = null;
  @Expose() id: number | null = null;
  @Expose() withServers: boolean = false;
}

/** Null: every host. */
@Exclude()
export class ListHostStates {
  @Expose() hosts: string[] | null = null;
}

/** How many hosts there are and the sum of their revisions: a scheduler that differs reloads. */
@Exclude()
export class HostDigest {
  @Expose() hosts!: number;
  @Expose() revisions!: number;
}

export const hostMethods = {
  listAggregates: stream({ since: '1.0', request: ListAggregates, item: Aggregate }),
  getAggregate: call({ since: '1.0', request: AggregateRef, response: Aggregate, idempotent: true }),
  createAggregate: call({ since: '1.0', request: CreateAggregate, response: Aggregate }),
  updateAggregate: call({ since: '1.0', request: UpdateAggregate, response: Aggregate }),
  deleteAggregate: call({ since: '1.0', request: AggregateRef, response: Empty }),
  changeAggregateHost: call({ since: '1.0', request: ChangeAggregateHost, response: Aggregate }),
  setAggregateMetadata: call({ since: '1.0', request: SetAggregateMetadata, response: Aggregate }),
  listZones: stream({ since: '1.0', request: ListZones, item: Zone }),
  listServices: stream({ since: '1.0', request: ListServices, item: Service }),
  updateService: call({ since: '1.0', request: UpdateService, response: Service }),
  deleteService: call({ since: '1.0', request: ServiceRef, response: Empty }),
  listHypervisors: stream({ since: '1.0', request: ListHypervisors, item: Hypervisor }),
  getHypervisor: call({ since: '1.0', request: HypervisorRef, response: Hypervisor, idempotent: true }),
  listHostStates: stream({ since: '1.0', request: ListHostStates, item: HostState }),
  getHostDigest: call({ since: '1.0', request: Empty, response: HostDigest, idempotent: true }),
};
