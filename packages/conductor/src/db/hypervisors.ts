import { failure, Hypervisor, ServerName, type HypervisorRef, type ListHypervisors } from '@kilonova/objects';
import type { Knex } from 'knex';
import { isoText, isRowId, isUuid, rowsOf } from './rows.ts';
import { asService, SERVICE_FIELDS, type ServiceView } from './services.ts';

const FIELDS = `
  h.id, h.uuid, h.node as hostname, h.host_ip as "hostIp", h.hypervisor_type as type, h.hypervisor_version as version, h.cpu_info as "cpuInfo",
  h.vcpus, h.vcpus_used as "vcpusUsed", h.memory_mb as "memoryMb",
  h.memory_mb_used + h.reserved_memory_mb as "memoryMbUsed", h.disk_gb as "diskGb", h.disk_gb_used + h.reserved_disk_gb as "diskGbUsed",
  greatest(h.disk_gb - h.reserved_disk_gb - h.disk_gb_used, 0) as "diskAvailableLeast",
  h.instances as "runningVms", h.io_ops as "currentWorkload", h.uptime_seconds as "uptimeSeconds"`;
const SERVERS = `coalesce((select jsonb_agg(jsonb_build_object('uuid', i.uuid, 'name', i.name) order by i.uuid) from instances i where i.host = h.host), '[]')`;

interface Row {
  readonly service: object;
  readonly servers: readonly object[];
}

const select = (withServers: boolean) => `
  select ${FIELDS}, to_jsonb(service) || jsonb_build_object('updatedAt', ${isoText('service."updatedAt"')}) as service, ${withServers ? SERVERS : "'[]'::jsonb"} as servers
  from hosts h join lateral (
    select ${SERVICE_FIELDS} from services s where s.host = h.host and s."binary" = 'nova-compute'
  ) service on true`;

const asHypervisor = (row: Row): Hypervisor =>
  Object.assign(new Hypervisor(), row, {
    service: asService(row.service),
    servers: row.servers.map((server) => Object.assign(new ServerName(), server)),
  });

const markerOf = (marker: string): { readonly id: number | null; readonly uuid: string | null } => {
  if (isUuid(marker)) return { id: null, uuid: marker };
  const id = /^\d{1,10}$/.test(marker) ? Number(marker) : 0;
  return { id: isRowId(id) ? id : null, uuid: null };
};

/** By id, behind the marker. @throws MarkerNotFound */
export async function hypervisorPage(knex: Knex, view: ServiceView, request: ListHypervisors, limit: number): Promise<Hypervisor[]> {
  let after = 0;
  if (request.marker !== null) {
    const found = await rowsOf<{ id: number }>(knex, 'select id from hosts where id = cast(:id as integer) or uuid = cast(:uuid as uuid)', {
      ...markerOf(request.marker),
    });
    if (found[0] === undefined) throw failure('MarkerNotFound', `marker [${request.marker}] not found`);
    after = found[0].id;
  }
  const rows = await rowsOf<Row>(
    knex,
    `${select(request.withServers)}
     where h.id > :after and (cast(:pattern as text) is null or strpos(h.node, :pattern) > 0) order by h.id limit :limit`,
    { ...bindingsOf(view), after, pattern: request.hostnamePattern, limit },
  );
  return rows.map(asHypervisor);
}

/** @throws HypervisorNotFound */
export async function findHypervisor(knex: Knex, view: ServiceView, ref: HypervisorRef): Promise<Hypervisor> {
  const { uuid, id } = ref;
  const asked = (uuid !== null && isUuid(uuid)) || (uuid === null && id !== null && isRowId(id));
  const rows = asked
    ? await rowsOf<Row>(knex, `${select(ref.withServers)} where ${uuid === null ? 'h.id = :id' : 'h.uuid = :uuid'}`, {
        ...bindingsOf(view),
        uuid,
        id,
      })
    : [];
  if (rows[0] === undefined) throw failure('HypervisorNotFound', `Hypervisor with ID '${uuid ?? id}' could not be found.`);
  return asHypervisor(rows[0]);
}

const bindingsOf = ({ defaultZone, internalZone, serviceDownMs }: ServiceView) => ({ defaultZone, internalZone, serviceDownMs });
