import { DiskSpec, DomainSpec, Flavor, GroupPlacement, HostRequest, Image } from '@kilonova/objects';
import type { Knex } from 'knex';
import { readGroups } from './claims.ts';

interface RequestRow {
  readonly index: number;
  readonly projectId: string;
  readonly availabilityZone: string | null;
  readonly flavor: object;
  readonly image: object | null;
  readonly serverGroupUuid: string | null;
  readonly spec: { readonly forcedHost?: string | null; readonly requestedHost?: string | null; readonly hints?: Record<string, unknown> };
}

/** What an instance that moves wants besides what it was made with. */
export interface MoveWishes {
  /** null: it keeps its own. */
  readonly flavor: Flavor | null;
  readonly requestedHost: string | null;
}

export interface Wishes {
  readonly excludedHosts: readonly string[];
  readonly alternates: number;
  readonly move?: MoveWishes;
}

/**
 * What hosts are wanted for instances of one request, which are equal but for their names; undefined when the first of
 * them is gone. Server groups and hints are looked up anew, since members move.
 */
export async function readHostRequest(knex: Knex, instanceUuids: readonly string[], wishes: Wishes): Promise<HostRequest | undefined> {
  return (await readHostRequests(knex, [{ instanceUuids, wishes }]))[0];
}

/** The same for several requests, in their order. */
export async function readHostRequests(
  knex: Knex,
  wanted: readonly { readonly instanceUuids: readonly string[]; readonly wishes: Wishes }[],
): Promise<readonly (HostRequest | undefined)[]> {
  const { rows } = await knex.raw(
    `select w.index, i.* from jsonb_to_recordset(cast(? as jsonb)) as w (index integer, uuids jsonb) cross join lateral
       (select project_id as "projectId", availability_zone as "availabilityZone", flavor, image, server_group_uuid as "serverGroupUuid", request_spec as spec
        from instances where uuid = any(array(select cast(u as uuid) from jsonb_array_elements_text(w.uuids) as u)) order by launch_index limit 1) i`,
    [JSON.stringify(wanted.map(({ instanceUuids: uuids }, index) => ({ index, uuids })))],
  );
  const found = new Map((rows as RequestRow[]).map((row) => [row.index, row]));
  return Promise.all(
    wanted.map(async ({ instanceUuids, wishes }, index) => {
      const row = found.get(index);
      return row === undefined ? undefined : requestOf(knex, row, instanceUuids, wishes);
    }),
  );
}

async function requestOf(knex: Knex, row: RequestRow, instanceUuids: readonly string[], wishes: Wishes): Promise<HostRequest> {
  const { different_host: different, same_host: same, ...hints } = row.spec.hints ?? {};
  const request = new HostRequest();
  request.instanceUuids = [...instanceUuids];
  request.projectId = row.projectId;
  request.availabilityZone = row.availabilityZone;
  request.flavor = Object.assign(new Flavor(), wishes.move?.flavor ?? row.flavor);
  request.image = row.image === null ? null : Object.assign(new Image(), row.image);
  request.group = await groupOf(knex, row.serverGroupUuid, wishes.move === undefined ? [] : instanceUuids);
  request.differentHosts = await hostsOf(knex, row.projectId, different);
  request.sameHosts = await hostsOf(knex, row.projectId, same);
  request.hints = hints;
  // That a host was asked for at first does not hold the instance there.
  request.forcedHost = wishes.move === undefined ? (row.spec.forcedHost ?? null) : null;
  request.requestedHost = wishes.move === undefined ? (row.spec.requestedHost ?? null) : wishes.move.requestedHost;
  request.excludedHosts = [...wishes.excludedHosts];
  request.alternates = wishes.alternates;
  return request;
}

async function groupOf(knex: Knex, uuid: string | null, moving: readonly string[]): Promise<GroupPlacement | null> {
  if (uuid === null) return null;
  const group = (await readGroups(knex, [uuid], false, moving)).get(uuid);
  return group === undefined ? null : Object.assign(new GroupPlacement(), group);
}

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** The hosts of the servers that a hint names (one or a list); what is no server of the project has no host. */
async function hostsOf(knex: Knex, projectId: string, hint: unknown): Promise<string[] | null> {
  if (hint === undefined || hint === null) return null;
  const uuids = (Array.isArray(hint) ? hint : [hint]).filter((item): item is string => typeof item === 'string' && UUID.test(item));
  const { rows } = await knex.raw(
    `select distinct host from instances where uuid = any(cast(? as uuid[])) and project_id = ? and host is not null and deleted_at is null order by host`,
    [uuids, projectId],
  );
  return (rows as { host: string }[]).map(({ host }) => host);
}

interface SpecRow {
  readonly uuid: string;
  readonly generation: number;
  readonly name: string;
  readonly hostname: string;
  readonly flavor: Flavor;
  readonly image: Image | null;
  readonly metadata: Record<string, string>;
  readonly projectId: string;
  readonly userId: string;
  readonly keyName: string | null;
  readonly publicKey: string | null;
  readonly userData: string | null;
  readonly configDrive: boolean;
}

/** An instance as another host than its owner shall have it. */
export interface SpecAs {
  readonly generation: number;
  /** null: its own. */
  readonly flavor: Flavor | null;
}

/** All that hosts need to run these instances, as the rows say now, or as `as` says by uuid. */
export async function readDomainSpecs(
  knex: Knex,
  uuids: readonly string[],
  as: ReadonlyMap<string, SpecAs> = new Map(),
): Promise<ReadonlyMap<string, DomainSpec>> {
  const { rows } = await knex.raw(
    `select uuid, generation, name, hostname, flavor, image, metadata, project_id as "projectId", user_id as "userId", key_name as "keyName",
       public_key as "publicKey", user_data as "userData", config_drive as "configDrive"
     from instances where uuid = any(cast(? as uuid[])) and deleted_at is null`,
    [[...uuids]],
  );
  return new Map(
    (rows as SpecRow[]).map((row) => {
      const { generation = row.generation, flavor = null } = as.get(row.uuid) ?? {};
      return [row.uuid, domainSpec({ ...row, generation, flavor: flavor ?? row.flavor })];
    }),
  );
}

function domainSpec({ flavor, image, ...row }: SpecRow): DomainSpec {
  const spec = Object.assign(new DomainSpec(), row);
  spec.vcpus = flavor.vcpus;
  spec.memoryMb = flavor.memoryMb;
  spec.imageId = image?.id ?? null;
  spec.imageProperties = image?.properties ?? {};
  spec.extraSpecs = flavor.extraSpecs;
  // A root disk of 0 takes the image's size.
  const rootMb =
    flavor.rootGb > 0 ? flavor.rootGb * 1_024 : Math.max((image?.minDiskGb ?? 0) * 1_024, Math.ceil((image?.size ?? 0) / 1_048_576));
  spec.disks = [disk('image', rootMb, image?.id ?? null)];
  if (flavor.ephemeralGb > 0) spec.disks.push(disk('ephemeral', flavor.ephemeralGb * 1_024, null));
  if (flavor.swapMb > 0) spec.disks.push(disk('swap', flavor.swapMb, null));
  return spec;
}

const disk = (kind: string, sizeMb: number, imageId: string | null): DiskSpec => Object.assign(new DiskSpec(), { kind, sizeMb, imageId });
