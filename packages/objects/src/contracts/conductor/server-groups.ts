import { call, Empty, Exclude, Expose, stream, Type } from '@kilonova/rpc';
import { Scope } from '../../objects/scope.ts';
import { ServerGroup } from '../../objects/server-group.ts';

@Exclude()
export class ListServerGroups {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() offset: number = 0;
  @Expose() limit!: number;
}

@Exclude()
export class ServerGroupRef {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() uuid!: string;
}

@Exclude()
export class CreateServerGroup {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() name!: string;
  @Expose() policy!: string;
  @Expose() maxServersPerHost: number | null = null;
}

export const serverGroupMethods = {
  listServerGroups: stream({ since: '1.0', request: ListServerGroups, item: ServerGroup }),
  getServerGroup: call({ since: '1.0', request: ServerGroupRef, response: ServerGroup, idempotent: true }),
  createServerGroup: call({ since: '1.0', request: CreateServerGroup, response: ServerGroup }),
  deleteServerGroup: call({ since: '1.0', request: ServerGroupRef, response: Empty }),
};
