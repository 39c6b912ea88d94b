import { failure, Fault, Flavor, Server, type Scope } from '@kilonova/objects';
import type { Knex } from 'knex';
import { isoText, isUuid, rowsOf } from './rows.ts';
import { isUp, zoneOf } from './zones.ts';

/** What a server's row needs to know of the configuration. */
export interface ServerView {
  readonly defaultZone: string;
  readonly serviceDownMs: number;
}

/** SQL: the zone of a server is that of its host, or the one asked for while it has none. */
export const zoneOfServer = (alias: string): string =>
  `case when ${alias}.host is null then ${alias}.availability_zone else ${zoneOf(`${alias}.host`)} end`;

/** SQL: words for the host of `i` as in Nova's HostStatus: forced down is DOWN, disabled is MAINTENANCE, silent is UNKNOWN. */
const HOST_STATUS = `case when i.host is null then '' when s.id is null then 'UNKNOWN' when s.forced_down then 'DOWN' when s.disabled then 'MAINTENANCE'
    when ${isUp('s')} then 'UP' else 'UNKNOWN' end`;

/** SQL: the newest fault of `i`, where one is shown. */
const newestFault = (fields: string) => `case when i.vm_state in ('error', 'deleted') then (
    select ${fields} from instance_faults f where f.instance_uuid = i.uuid order by f.id desc limit 1
  ) end`;

/**
 * SQL: another text whenever anything of `FIELDS` is another: which transaction wrote the row and when (transactions are counted anew
 * in a database that was restored), and what is not in the row.
 */
const REVISION = `concat(i.xmin, '/', i.updated_at, '/', ${HOST_STATUS}, '/', ${zoneOfServer('i')}, '/', ${newestFault('f.id')})`;

/**
 * SQL: every field of a Server from the row `i`, with its newest fault and what its host's service says, so that a page is
 * one statement.
 */
const FIELDS = `
  i.uuid, i.number, i.project_id as "projectId", i.user_id as "userId", i.name, i.description, i.hostname,
  i.vm_state as "vmState", i.task_state as "taskState", i.power_state as "powerState", i.progress, i.locked, i.locked_reason as "lockedReason",
  i.host, i.node,
  ${HOST_STATUS} as "hostStatus",
  ${zoneOfServer('i')} as "availabilityZone",
  i.pinned_availability_zone as "pinnedAvailabilityZone", cast(i.flavor as text) as flavor, i.image_id as "imageId", i.key_name as "keyName", i.metadata, i.tags,
  i.user_data as "userData", i.config_drive as "configDrive", i.disk_config as "diskConfig", i.access_ip_v4 as "accessIpV4", i.access_ip_v6 as "accessIpV6",
  i.reservation_id as "reservationId", i.launch_index as "launchIndex", i.root_device_name as "rootDeviceName", i.kernel_id as "kernelId",
  i.ramdisk_id as "ramdiskId", i.server_group_uuid as "serverGroupId", i.created_at as "createdAt", i.updated_at as "updatedAt",
  i.launched_at as "launchedAt", i.terminated_at as "terminatedAt", i.deleted_at as "deletedAt",
  ${newestFault(`jsonb_build_object('code', f.code, 'message', f.message, 'details', f.details, 'createdAt', ${isoText('f.created_at')})`)} as fault`;

/** `select ${fields} from instances i ${joins} where ...`; binds `:defaultZone` and `:serviceDownMs`. */
export const SERVER_SELECT = {
  fields: FIELDS,
  joins: `left join services s on s.host = i.host and s."binary" = 'nova-compute'`,
} as const;

/** The same with the revision of each. */
export const REVISED_SERVER_SELECT = { ...SERVER_SELECT, fields: `${FIELDS}, ${REVISION} as revision` } as const;

/** The revision alone. */
export const REVISION_SELECT = { ...SERVER_SELECT, fields: `i.uuid, ${REVISION} as revision` } as const;

/** What `SERVER_SELECT` gives. */
export interface ServerRow {
  /** JSON */
  readonly flavor: string;
  readonly fault: object | null;
}

export function asServer(row: ServerRow): Server {
  const server = Object.assign(new Server(), row as object);
  server.flavor = flavorOf(row.flavor);
  if (row.fault !== null) server.fault = Object.assign(new Fault(), row.fault);
  return server;
}

/** Servers have few flavors: each is read once, as long as it is not forgotten for others. */
const flavors = new Map<string, Flavor>();
const MOST_FLAVORS = 1_000;

function flavorOf(json: string): Flavor {
  let flavor = flavors.get(json);
  if (flavor === undefined) {
    if (flavors.size >= MOST_FLAVORS) flavors.clear();
    flavor = Object.assign(new Flavor(), JSON.parse(json) as object);
    Object.freeze(flavor.extraSpecs);
    Object.freeze(flavor); // and so written once (codec of rpc)
    flavors.set(json, flavor);
  }
  return flavor;
}

export const serverNotFound = (uuid: string) => failure('ServerNotFound', `Instance ${uuid} could not be found.`);

/** A server within the scope that is not deleted. @throws ServerNotFound */
export async function findServer(knex: Knex, view: ServerView, { allProjects, projectId }: Scope, uuid: string): Promise<Server> {
  if (!isUuid(uuid)) throw serverNotFound(uuid);
  const rows = await rowsOf<ServerRow>(
    knex,
    `select ${SERVER_SELECT.fields} from instances i ${SERVER_SELECT.joins}
     where i.uuid = :uuid and i.deleted_at is null and (cast(:allProjects as boolean) or i.project_id = :projectId)`,
    { uuid, allProjects, projectId, defaultZone: view.defaultZone, serviceDownMs: view.serviceDownMs },
  );
  if (rows[0] === undefined) throw serverNotFound(uuid);
  return asServer(rows[0]);
}
