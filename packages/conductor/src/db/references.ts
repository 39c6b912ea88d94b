import type { CreateServers, Flavor } from '@kilonova/objects';
import type { Knex } from 'knex';
import { asFlavor, FLAVOR_COLUMNS, FLAVOR_SEEN } from './flavors.ts';
import { rowsOf } from './rows.ts';
import { zoneOf } from './zones.ts';

/** What a create request names, as it is found; null and absent: not found. */
export interface References {
  readonly flavor: Flavor | null;
  readonly publicKey: string | null;
  /** The zone has a compute host that is not disabled. */
  readonly zoneTakesServers: boolean;
  /** Those of the named hosts that exist. */
  readonly hosts: readonly string[];
}

/** All of them in one statement. A disabled flavor is not found. */
export async function findReferences(knex: Knex, request: CreateServers, defaultZone: string): Promise<References> {
  const { scope, flavorId, keyName, availabilityZone, forcedHost, requestedHost } = request;
  const rows = await rowsOf<Omit<References, 'flavor'> & { readonly flavor: object | null }>(
    knex,
    `select
       (select to_jsonb(found) from (
         select ${FLAVOR_COLUMNS} from flavors f where f.flavor_id = :flavorId and not f.disabled and ${FLAVOR_SEEN}) found) as flavor,
       (select public_key from keypairs where user_id = :userId and name = :keyName) as "publicKey",
       exists (select from services s
         where s."binary" = 'nova-compute' and not s.disabled and ${zoneOf('s.host')} = :availabilityZone) as "zoneTakesServers",
       coalesce((select jsonb_agg(host) from hosts where host in (:forcedHost, :requestedHost)), '[]') as hosts`,
    {
      flavorId,
      keyName,
      availabilityZone,
      forcedHost,
      requestedHost,
      defaultZone,
      userId: scope.userId,
      admin: scope.admin,
      projectId: scope.projectId,
    },
  );
  const { flavor, ...others } = rows[0]!;
  return { ...others, flavor: flavor === null ? null : asFlavor(flavor) };
}

export interface GroupPlaces {
  readonly policy: string;
  /** The user's servers in it that are not deleted. */
  readonly members: number;
}

/** The group, joined by nobody else until the transaction ends; null when the scope has none of that uuid. */
export async function lockGroup(
  trx: Knex.Transaction,
  { allProjects, projectId, userId }: { readonly allProjects: boolean; readonly projectId: string; readonly userId: string },
  uuid: string,
): Promise<GroupPlaces | null> {
  const locked = await rowsOf<{ policy: string }>(
    trx,
    'select policy from server_groups where uuid = :uuid and (cast(:allProjects as boolean) or project_id = :projectId) for no key update',
    { uuid, allProjects, projectId },
  );
  if (locked[0] === undefined) return null;
  const counted = await rowsOf<{ members: number }>(
    trx,
    'select count(*) as members from instances where server_group_uuid = :uuid and user_id = :userId and deleted_at is null',
    { uuid, userId },
  );
  return { policy: locked[0].policy, members: counted[0]!.members };
}
