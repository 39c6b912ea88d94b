import { failure, Flavor, type ListFlavors } from '@kilonova/objects';
import type { Knex } from 'knex';
import { doubleOf } from './refusals.ts';
import { changedBy, rowsOf } from './rows.ts';

/** Whose eyes see a flavor that is not public: administrators', and those of projects it is shared with. */
export interface FlavorSight {
  readonly admin: boolean;
  readonly projectId: string;
}

/** SQL: the fields of a Flavor from the row `f`. */
export const FLAVOR_COLUMNS = `
  f.flavor_id as "flavorId", f.name, f.vcpus, f.memory_mb as "memoryMb", f.root_gb as "rootGb", f.ephemeral_gb as "ephemeralGb",
  f.swap_mb as "swapMb", f.rxtx_factor as "rxtxFactor", f.is_public as "isPublic", f.disabled, f.description, f.extra_specs as "extraSpecs"`;
/** SQL: the flavor `f` is seen by whoever is `admin`, or of the project. */
export const flavorSeen = (admin: string, projectId: string): string => `(f.is_public or ${admin}
  or exists (select from flavor_access fa where fa.flavor = f.id and fa.project_id = ${projectId}))`;
/** SQL: by `:admin` of `:projectId`. */
export const FLAVOR_SEEN = flavorSeen('cast(:admin as boolean)', ':projectId');

export const asFlavor = (row: object): Flavor => Object.assign(new Flavor(), row);
const notFound = (flavorId: string) => failure('FlavorNotFound', `Flavor ${flavorId} could not be found.`);

/** @throws FlavorNotFound */
export async function findFlavor(knex: Knex, sight: FlavorSight, flavorId: string): Promise<Flavor> {
  const rows = await rowsOf<object>(knex, `select ${FLAVOR_COLUMNS} from flavors f where f.flavor_id = :flavorId and ${FLAVOR_SEEN}`, {
    flavorId,
    ...sight,
  });
  if (rows[0] === undefined) throw notFound(flavorId);
  return asFlavor(rows[0]);
}

/** The API's sort keys; those without a meaning here sort by the row's number. */
const SORT_COLUMNS: Readonly<Record<string, string>> = {
  flavorid: 'flavor_id',
  name: 'name',
  vcpus: 'vcpus',
  memory_mb: 'memory_mb',
  root_gb: 'root_gb',
  ephemeral_gb: 'ephemeral_gb',
  swap: 'swap_mb',
  rxtx_factor: 'rxtx_factor',
  is_public: 'is_public',
  disabled: 'disabled',
  created_at: 'created_at',
  updated_at: "coalesce(f.updated_at, '-infinity')",
  description: "coalesce(f.description, '')",
  id: 'id',
  vcpu_weight: 'id',
};

/** One page, behind the marker's row. @throws MarkerNotFound, InvalidInput */
export async function flavorPage(knex: Knex, request: ListFlavors, sight: FlavorSight, limit: number): Promise<Flavor[]> {
  const column = Object.hasOwn(SORT_COLUMNS, request.sortKey) ? SORT_COLUMNS[request.sortKey] : undefined;
  if (column === undefined) throw failure('InvalidInput', `Invalid input for query parameters sort_key. Value: ${request.sortKey}.`);
  const key = column.includes('(') ? column : `f.${column}`;
  const descending = request.sortDirection.toLowerCase() === 'desc';
  const { marker, minMemoryMb, minDiskGb, isPublic } = request;
  if (marker !== null) {
    const found = await rowsOf(knex, `select 1 from flavors f where f.flavor_id = :marker and ${FLAVOR_SEEN}`, { marker, ...sight });
    if (found.length === 0) throw failure('MarkerNotFound', `marker [${marker}] not found`);
  }
  const conditions = [
    ...(sight.admin ? [] : [FLAVOR_SEEN, 'not f.disabled']),
    ...(sight.admin && isPublic !== null ? ['f.is_public = cast(:isPublic as boolean)'] : []),
    ...(minMemoryMb === null ? [] : ['f.memory_mb >= cast(:minMemoryMb as bigint)']),
    ...(minDiskGb === null ? [] : ['f.root_gb >= cast(:minDiskGb as bigint)']),
    ...(marker === null
      ? []
      : [`(${key}, f.id) ${descending ? '<' : '>'} (select ${key}, f.id from flavors f where f.flavor_id = :marker)`]),
  ];
  const direction = descending ? 'desc' : 'asc';
  const rows = await rowsOf<object>(
    knex,
    `select ${FLAVOR_COLUMNS} from flavors f ${conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''}
     order by ${key} ${direction}, f.id ${direction} limit :limit`,
    { ...sight, isPublic, minMemoryMb, minDiskGb, marker, limit },
  );
  return rows.map(asFlavor);
}

const rowOf = (flavor: Flavor) => ({
  flavor_id: flavor.flavorId,
  name: flavor.name,
  vcpus: flavor.vcpus,
  memory_mb: flavor.memoryMb,
  root_gb: flavor.rootGb,
  ephemeral_gb: flavor.ephemeralGb,
  swap_mb: flavor.swapMb,
  rxtx_factor: flavor.rxtxFactor,
  is_public: flavor.isPublic,
  disabled: flavor.disabled,
  description: flavor.description,
  extra_specs: JSON.stringify(flavor.extraSpecs),
});

/** @throws FlavorExists */
export async function insertFlavor(knex: Knex, flavor: Flavor): Promise<void> {
  try {
    await knex('flavors').insert(rowOf(flavor));
  } catch (error) {
    const constraint = doubleOf(error);
    if (constraint === 'flavors_flavor_id_key') throw failure('FlavorExists', `Flavor with ID ${flavor.flavorId} already exists.`);
    if (constraint === 'flavors_name_key') throw failure('FlavorExists', `Flavor with name ${flavor.name} already exists.`);
    throw error;
  }
}

/** @throws FlavorNotFound */
export async function describeFlavor(knex: Knex, flavorId: string, description: string | null): Promise<void> {
  const changed = await changedBy(
    knex,
    'update flavors set description = :description, updated_at = kilonova_now() where flavor_id = :flavorId',
    { flavorId, description },
  );
  if (changed === 0) throw notFound(flavorId);
}

/** Servers keep the flavor as it was when they were made. @throws FlavorNotFound */
export async function deleteFlavor(knex: Knex, flavorId: string): Promise<void> {
  if ((await changedBy(knex, 'delete from flavors where flavor_id = :flavorId', { flavorId })) === 0) throw notFound(flavorId);
}

/** @throws FlavorNotFound */
export async function setExtraSpecs(knex: Knex, flavorId: string, specs: Readonly<Record<string, string>>): Promise<void> {
  const changed = await changedBy(
    knex,
    'update flavors set extra_specs = extra_specs || cast(:specs as jsonb), updated_at = kilonova_now() where flavor_id = :flavorId',
    { flavorId, specs: JSON.stringify(specs) },
  );
  if (changed === 0) throw notFound(flavorId);
}

/** @throws FlavorNotFound, ExtraSpecNotFound */
export async function removeExtraSpec(knex: Knex, flavorId: string, key: string): Promise<void> {
  const rows = await rowsOf<{ had: boolean }>(
    knex,
    `with before as (select id, jsonb_exists(extra_specs, :key) as had from flavors where flavor_id = :flavorId for update)
     update flavors f set extra_specs = f.extra_specs - cast(:key as text), updated_at = kilonova_now()
     from before where f.id = before.id returning before.had`,
    { flavorId, key },
  );
  if (rows[0] === undefined) throw notFound(flavorId);
  if (!rows[0].had) throw failure('ExtraSpecNotFound', `Flavor ${flavorId} has no extra specs with key ${key}.`);
}

export async function flavorAccess(knex: Knex, flavorId: string): Promise<string[]> {
  const rows = await rowsOf<{ project_id: string }>(
    knex,
    'select fa.project_id from flavor_access fa join flavors f on f.id = fa.flavor where f.flavor_id = :flavorId order by 1',
    { flavorId },
  );
  return rows.map((row) => row.project_id);
}

/** @returns false when the project had access already. */
export async function addFlavorAccess(knex: Knex, flavorId: string, projectId: string): Promise<boolean> {
  const added = await changedBy(
    knex,
    `insert into flavor_access (flavor, project_id) select id, :projectId from flavors where flavor_id = :flavorId on conflict do nothing`,
    { flavorId, projectId },
  );
  return added > 0;
}

/** @returns false when the project had no access. */
export async function removeFlavorAccess(knex: Knex, flavorId: string, projectId: string): Promise<boolean> {
  const removed = await changedBy(
    knex,
    'delete from flavor_access where project_id = :projectId and flavor = (select id from flavors where flavor_id = :flavorId)',
    { flavorId, projectId },
  );
  return removed > 0;
}
