import type { CreateServers, Flavor } from '@kilonova/objects';
import type { Knex } from 'knex';
import { asFlavor, FLAVOR_COLUMNS, flavorSeen } from './flavors.ts';
import type { UsageRow } from './quota-usages.ts';
import { limitRows, type LimitRow } from './quotas.ts';
import { rowsOf } from './rows.ts';
import { zoneTakesServers } from './zones.ts';

/** What a create request names, as it is found; null and absent: not found. */
export interface References {
  readonly flavor: Flavor | null;
  readonly publicKey: string | null;
  /** The zone has a compute host that is not disabled. */
  readonly zoneTakesServers: boolean;
  /** Those of the named hosts that exist. */
  readonly hosts: readonly string[];
}

/** All that the database knows about a create request before it is judged. */
export interface FoundRequest extends References {
  /** The request that had the key first, unless that was too long ago. */
  readonly earlier: { readonly bodyHash: string; readonly response: unknown } | null;
  /** Of the project and of the user; absent where nothing was ever counted. */
  readonly usage: readonly UsageRow[];
  readonly limits: readonly LimitRow[];
}

/** One statement for any number of requests, in their order. A disabled flavor is not found. */
export async function readCreateRequests(
  knex: Knex,
  requests: readonly CreateServers[],
  { route, defaultZone, hours }: { readonly route: string; readonly defaultZone: string; readonly hours: number },
): Promise<readonly FoundRequest[]> {
  const asked = requests.map(({ scope, flavorId, keyName, availabilityZone, forcedHost, requestedHost, idempotencyKey }, index) => ({
    ...{ index, projectId: scope.projectId, userId: scope.userId, admin: scope.admin, flavorId, keyName },
    ...{ zone: availabilityZone, forcedHost, requestedHost, key: idempotencyKey },
  }));
  const rows = await rowsOf<Omit<FoundRequest, 'flavor'> & { readonly flavor: object | null }>(
    knex,
    `select
       (select jsonb_build_object('bodyHash', k.body_hash, 'response', k.response) from idempotency_keys k
         where k.project_id = r."projectId" and k.user_id = r."userId" and k.route = :route and k.key = r.key
           and k.created_at >= kilonova_now() - cast(:hours as double precision) * interval '1 hour') as earlier,
       (select to_jsonb(found) from (
         select ${FLAVOR_COLUMNS} from flavors f
         where f.flavor_id = r."flavorId" and not f.disabled and ${flavorSeen('r.admin', 'r."projectId"')}) found) as flavor,
       (select public_key from keypairs where user_id = r."userId" and name = r."keyName") as "publicKey",
       ${zoneTakesServers('r.zone')} as "zoneTakesServers",
       coalesce((select jsonb_agg(host) from hosts where host in (r."forcedHost", r."requestedHost")), '[]') as hosts,
       coalesce((select jsonb_agg(to_jsonb(u)) from (
         select user_id, instances, cores, ram from quota_usages
         where project_id = r."projectId" and user_id in ('', r."userId")) u), '[]') as usage,
       coalesce((select jsonb_agg(to_jsonb(l)) from (${limitRows('r."projectId"', 'r."userId"')}) l), '[]') as limits
     from jsonb_to_recordset(cast(:asked as jsonb)) as r ("index" integer, "projectId" text, "userId" text, admin boolean, "flavorId" text,
       "keyName" text, zone text, "forcedHost" text, "requestedHost" text, key text)
     order by r."index"`,
    { asked: JSON.stringify(asked), route, defaultZone, hours },
  );
  return rows.map(({ flavor, ...others }) => ({ ...others, flavor: flavor === null ? null : asFlavor(flavor) }));
}

export interface GroupPlaces {
  readonly uuid: string;
  readonly projectId: string;
  /** The servers in it that are not deleted, by user. */
  readonly members: Readonly<Record<string, number>>;
}

/** Those of the groups that exist, joined by nobody else until the transaction ends. */
export async function lockGroups(trx: Knex.Transaction, uuids: readonly string[]): Promise<ReadonlyMap<string, GroupPlaces>> {
  if (uuids.length === 0) return new Map();
  await trx.raw('select 1 from server_groups where uuid = any (cast(? as uuid[])) order by uuid for no key update', [[...uuids]]);
  // A statement of its own, which sees what was committed while the locks were waited for.
  const rows = await rowsOf<GroupPlaces>(
    trx,
    `select g.uuid, g.project_id as "projectId", coalesce((select jsonb_object_agg(user_id, count) from (
       select i.user_id, count(*) from instances i where i.server_group_uuid = g.uuid and i.deleted_at is null group by 1) m), '{}') as members
     from server_groups g where g.uuid = any (cast(:uuids as uuid[]))`,
    { uuids },
  );
  return new Map(rows.map((row) => [row.uuid, row]));
}
