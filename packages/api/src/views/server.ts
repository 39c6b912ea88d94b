import { createHash } from 'node:crypto';
import { statusOf, type Server, type ServerName } from '@kilonova/objects';
import { toMicrosOrNull, toSeconds } from './times.ts';
import { JsonText, quoted } from '../http/json-text.ts';
import type { Field, View } from './view.ts';

const ATTRIBUTES = 'os_compute_api:os-extended-server-attributes';
const EXTRA_SPECS = 'os_compute_api:servers:show:flavor-extra-specs';
const HOST_STATUS = 'os_compute_api:servers:show:host_status';
const HOST_STATUS_UNKNOWN = 'os_compute_api:servers:show:host_status:unknown-only';
const ADMIN = 'context_is_admin';

/** Every policy that decides what is shown of a server in a list. */
export const detailPolicies = [ATTRIBUTES, EXTRA_SPECS, HOST_STATUS, HOST_STATUS_UNKNOWN, ADMIN] as const;

const progressing = new Set(['ACTIVE', 'BUILD', 'REBUILD', 'RESIZE', 'VERIFY_RESIZE', 'MIGRATING']);
const faulty = new Set(['ERROR', 'DELETED']);
const shownStatus = ({ vmState, taskState }: Server) => statusOf(vmState, taskState);

/** Made before, by project and host together. */
const hostIds = new Map<string, string>();
const MOST_HOST_IDS = 10_000;

/** Which host it is, without telling its name to the project. */
export function hostId(projectId: string, host: string | null): string {
  if (host === null || host === '') return '';
  const both = `${projectId}${host}`;
  let id = hostIds.get(both);
  if (id === undefined) {
    if (hostIds.size >= MOST_HOST_IDS) hostIds.clear();
    hostIds.set(both, (id = createHash('sha224').update(both).digest('hex')));
  }
  return id;
}

const attribute =
  (show: (server: Server) => unknown): Field<Server>['show'] =>
  (server, view) =>
    view.may(ATTRIBUTES) ? show(server) : undefined;

function fault(server: Server, view: View): unknown {
  if (server.fault === null || !faulty.has(shownStatus(server))) return undefined;
  const { code, message, details, createdAt } = server.fault;
  const withDetails = details !== '' && (code !== 500 || view.may(ADMIN));
  return { code, created: toSeconds(createdAt), message, ...(withDetails ? { details } : {}) };
}

function hostStatus(server: Server, view: View): unknown {
  if (view.may(HOST_STATUS)) return server.hostStatus;
  return view.may(HOST_STATUS_UNKNOWN) && server.hostStatus === 'UNKNOWN' ? 'UNKNOWN' : undefined;
}

const idAndBookmark = (id: string, href: string) =>
  new JsonText(`{"id":${quoted(id)},"links":[{"rel":"bookmark","href":${quoted(href)}}]}`);

function flavor({ flavor: one }: Server, view: View): unknown {
  if (view.version < 47) return idAndBookmark(one.flavorId, view.links.bookmark(`flavors/${one.flavorId}`));
  return {
    vcpus: one.vcpus,
    ram: one.memoryMb,
    disk: one.rootGb,
    ephemeral: one.ephemeralGb,
    swap: one.swapMb,
    original_name: one.name,
    ...(view.may(EXTRA_SPECS) ? { extra_specs: one.extraSpecs } : {}),
  };
}

const image = ({ imageId }: Server, view: View): unknown => (imageId === null ? '' : idAndBookmark(imageId, view.links.image(imageId)));

const NO_ADDRESSES = new JsonText('{}');
const NO_VOLUMES = new JsonText('[]');
const DEFAULT_GROUP = new JsonText('[{"name":"default"}]');

/** What every answer about a server has, also the one to an update. */
const basic: readonly Field<Server>[] = [
  { name: 'id', show: ({ uuid }) => uuid },
  { name: 'name', show: ({ name }) => name },
  { name: 'status', show: shownStatus },
  { name: 'tenant_id', show: ({ projectId }) => projectId },
  { name: 'user_id', show: ({ userId }) => userId },
  { name: 'metadata', show: ({ metadata }) => metadata },
  { name: 'hostId', show: ({ projectId, host }) => hostId(projectId, host) },
  { name: 'image', show: image },
  { name: 'flavor', show: flavor },
  { name: 'created', show: ({ createdAt }) => toSeconds(createdAt) },
  { name: 'updated', show: ({ updatedAt }) => toSeconds(updatedAt) },
  { name: 'addresses', show: () => NO_ADDRESSES },
  { name: 'accessIPv4', show: ({ accessIpV4 }) => accessIpV4 ?? '' },
  { name: 'accessIPv6', show: ({ accessIpV6 }) => accessIpV6 ?? '' },
  { name: 'links', show: ({ uuid }, { links }) => links.bothText(`servers/${uuid}`) },
  { name: 'OS-DCF:diskConfig', show: ({ diskConfig }) => diskConfig },
  { name: 'progress', show: (server) => (progressing.has(shownStatus(server)) ? server.progress : undefined) },
  { name: 'fault', show: fault },
  { name: 'locked', from: 9, show: ({ locked }) => locked },
  { name: 'description', from: 19, show: ({ description }) => description },
  { name: 'tags', from: 26, show: ({ tags }) => tags },
  { name: 'trusted_image_certificates', from: 63, show: () => null },
  { name: 'locked_reason', from: 73, show: ({ lockedReason }) => lockedReason },
  { name: 'pinned_availability_zone', from: 96, show: ({ pinnedAvailabilityZone }) => pinnedAvailabilityZone },
];

/** What only show and detail have; the answer to an update from 2.75. */
const extended: readonly Field<Server>[] = [
  { name: 'OS-EXT-AZ:availability_zone', show: ({ availabilityZone }) => availabilityZone ?? '' },
  { name: 'config_drive', show: ({ configDrive }) => (configDrive ? 'True' : '') },
  { name: 'key_name', show: ({ keyName }) => keyName },
  { name: 'OS-SRV-USG:launched_at', show: ({ launchedAt }) => toMicrosOrNull(launchedAt) },
  { name: 'OS-SRV-USG:terminated_at', show: ({ terminatedAt }) => toMicrosOrNull(terminatedAt) },
  { name: 'OS-EXT-STS:task_state', show: ({ taskState }) => taskState },
  { name: 'OS-EXT-STS:vm_state', show: ({ vmState }) => vmState },
  { name: 'OS-EXT-STS:power_state', show: ({ powerState }) => powerState },
  { name: 'os-extended-volumes:volumes_attached', show: () => NO_VOLUMES },
  { name: 'security_groups', show: () => DEFAULT_GROUP },
  { name: 'host_status', from: 16, show: hostStatus },
  { name: 'OS-EXT-SRV-ATTR:host', show: attribute(({ host }) => host) },
  { name: 'OS-EXT-SRV-ATTR:hypervisor_hostname', show: attribute(({ node }) => node) },
  { name: 'OS-EXT-SRV-ATTR:reservation_id', from: 3, show: attribute(({ reservationId }) => reservationId) },
  { name: 'OS-EXT-SRV-ATTR:launch_index', from: 3, show: attribute(({ launchIndex }) => launchIndex) },
  { name: 'OS-EXT-SRV-ATTR:hostname', from: 3, to: 89, show: attribute(({ hostname }) => hostname) },
  { name: 'OS-EXT-SRV-ATTR:hostname', from: 90, show: ({ hostname }) => hostname },
  { name: 'OS-EXT-SRV-ATTR:kernel_id', from: 3, show: attribute(({ kernelId }) => kernelId ?? '') },
  { name: 'OS-EXT-SRV-ATTR:ramdisk_id', from: 3, show: attribute(({ ramdiskId }) => ramdiskId ?? '') },
  { name: 'OS-EXT-SRV-ATTR:root_device_name', from: 3, show: attribute(({ rootDeviceName }) => rootDeviceName) },
  { name: 'OS-EXT-SRV-ATTR:user_data', from: 3, show: attribute(({ userData }) => userData) },
];

const instanceName = (prefix: string): Field<Server> => ({
  name: 'OS-EXT-SRV-ATTR:instance_name',
  show: attribute(({ number }) => `${prefix}${number.toString(16).padStart(8, '0')}`),
});

const groups: Field<Server> = {
  name: 'server_groups',
  from: 71,
  show: ({ serverGroupId }) => (serverGroupId === null ? [] : [serverGroupId]),
};

/** A list of fields is made once for each front of instance names: it is compiled. */
function oncePerPrefix(make: (prefix: string) => readonly Field<Server>[]): (prefix: string) => readonly Field<Server>[] {
  const made = new Map<string, readonly Field<Server>[]>();
  return (prefix) => {
    const fields = made.get(prefix) ?? make(prefix);
    made.set(prefix, fields);
    return fields;
  };
}

/** Fields of `GET /servers/detail`; `prefix` is the front of instance names. */
export const detailFields = oncePerPrefix((prefix) => [...basic, ...extended, instanceName(prefix)]);
/** Fields of `GET /servers/{id}`. */
export const showFields = oncePerPrefix((prefix) => [...detailFields(prefix), groups]);
/** Fields of the answer to `PUT /servers/{id}`: everything only from 2.75. */
export const updateFields = (prefix: string): readonly Field<Server>[] => [
  ...basic,
  ...[...extended, instanceName(prefix)].map((field) => ({ ...field, from: Math.max(field.from ?? 1, 75) })),
  groups,
];

export const nameFields: readonly Field<ServerName>[] = [
  { name: 'id', show: ({ uuid }) => uuid },
  { name: 'name', show: ({ name }) => name },
  { name: 'links', show: ({ uuid }, { links }) => links.bothText(`servers/${uuid}`) },
];
