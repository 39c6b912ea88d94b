import { call, Empty, Exclude, Expose, stream, Type } from '@kilonova/rpc';
import { Flavor } from '../../objects/flavor.ts';
import { Scope } from '../../objects/scope.ts';

@Exclude()
export class ListFlavors {
  @Expose() @Type(() => Scope) scope!: Scope;
  /** true: public (and, unless administrator, those shared with the project); false: the others; null: both. */
  @Expose() isPublic: boolean | null = null;
  @Expose() minMemoryMb: number | null = null;
  @Expose() minDiskGb: number | null = null;
  /** Names as in the API's sort_key. */
  @Expose() sortKey: string = 'flavorid';
  @Expose() sortDirection: string = 'asc';
  @Expose() marker: string | null = null;
  @Expose() limit!: number;
}

@Exclude()
export class FlavorRef {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() flavorId!: string;
}

@Exclude()
export class CreateFlavor {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() @Type(() => Flavor) flavor!: Flavor;
}

@Exclude()
export class UpdateFlavor extends FlavorRef {
  @Expose() description: string | null = null;
}

@Exclude()
export class ChangeExtraSpecs extends FlavorRef {
  /** Added or replaced. */
  @Expose() set: Record<string, string> = {};
  /** One key; ExtraSpecNotFound when it is not there. */
  @Expose() remove: string | null = null;
}

@Exclude()
export class ChangeFlavorAccess extends FlavorRef {
  @Expose() projectId!: string;
  /** true adds, false removes. */
  @Expose() allowed!: boolean;
}

@Exclude()
export class FlavorAccess {
  @Expose() projectIds: string[] = [];
}

export const flavorMethods = {
  listFlavors: stream({ since: '1.0', request: ListFlavors, item: Flavor }),
  getFlavor: call({ since: '1.0', request: FlavorRef, response: Flavor, idempotent: true }),
  createFlavor: call({ since: '1.0', request: CreateFlavor, response: Flavor }),
  updateFlavor: call({ since: '1.0', request: UpdateFlavor, response: Flavor }),
  deleteFlavor: call({ since: '1.0', request: FlavorRef, response: Empty }),
  changeExtraSpecs: call({ since: '1.0', request: ChangeExtraSpecs, response: Flavor }),
  getFlavorAccess: call({ since: '1.0', request: FlavorRef, response: FlavorAccess, idempotent: true }),
  changeFlavorAccess: call({ since: '1.0', request: ChangeFlavorAccess, response: FlavorAccess }),
};
