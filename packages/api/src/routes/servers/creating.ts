import { CreateServers, type ServersCreated } from '@kilonova/objects';
import type { Api } from '../../api.ts';
import { badRequest } from '../../http/api-error.ts';
import { hasCode } from '../../http/error-status.ts';
import { Reply, type ApiRequest } from '../../http/request.ts';
import { hasService } from '../../identity/caller.ts';
import { deniedBy, make, scopeFor } from '../asking.ts';
import { booleanOf, canonicalUuid, integerOf } from '../values.ts';
import { bootImage, type BootRequest } from './boot-source.ts';
import { checkInjectedFiles } from './injected-files.ts';
import { parseZone, type ZoneRequest } from './placement-request.ts';

interface NewServer extends BootRequest {
  readonly name: string;
  readonly flavorRef: string | number;
  readonly adminPass?: string;
  readonly metadata?: Record<string, string>;
  readonly networks?: 'none' | 'auto' | readonly { readonly uuid?: string; readonly port?: string | null; readonly fixed_ip?: string }[];
  readonly 'OS-DCF:diskConfig'?: 'AUTO' | 'MANUAL';
  readonly accessIPv4?: string;
  readonly accessIPv6?: string;
  readonly personality?: readonly { readonly path: string; readonly contents: string }[];
  readonly availability_zone?: string;
  readonly config_drive?: boolean | string;
  readonly min_count?: number | string;
  readonly max_count?: number | string;
  readonly return_reservation_id?: boolean | string;
  readonly key_name?: string;
  readonly user_data?: string | null;
  readonly security_groups?: readonly { readonly name?: string }[];
  readonly description?: string | null;
  readonly tags?: readonly string[];
  readonly trusted_image_certificates?: readonly string[] | null;
  readonly host?: string;
  readonly hypervisor_hostname?: string;
  readonly hostname?: string;
}

type Hints = Record<string, unknown>;

interface CreateBody {
  readonly server: NewServer;
  readonly 'os:scheduler_hints'?: Hints;
  readonly 'OS-SCH-HNT:scheduler_hints'?: Hints;
}

const CREATE = 'os_compute_api:servers:create';
/** Also of a resize. */
export const ZERO_DISK = `${CREATE}:zero_disk_flavor`;
const DESTINATION = 'compute:servers:create:requested_destination';

/** What parts of the request need a policy of their own. @throws ApiError 403 */
function demandPolicies({ policy }: Api, { caller }: ApiRequest, server: NewServer, { forcedHost }: ZoneRequest): void {
  if (forcedHost !== null) policy.demand(`${CREATE}:forced_host`, caller);
  if (server.host !== undefined || server.hypervisor_hostname !== undefined) policy.demand(DESTINATION, caller);
  if (server.trusted_image_certificates) policy.demand(`${CREATE}:trusted_certs`, caller);
  if ((server.block_device_mapping_v2 ?? server.block_device_mapping ?? []).length > 0) policy.demand(`${CREATE}:attach_volume`, caller);
  if (Array.isArray(server.networks) && server.networks.length > 0) policy.demand(`${CREATE}:attach_network`, caller);
}

/** What cannot be had without other services. @throws ApiError 400 */
function refuseUnsupported(server: NewServer, request: ApiRequest): void {
  if (server.trusted_image_certificates)
    throw badRequest('Image signature certificate validation is not supported: trusted_image_certificates must be null.');
  const networks = Array.isArray(server.networks) ? (server.networks as Exclude<NewServer['networks'], string | undefined>) : [];
  for (const { uuid, port } of networks) {
    if (port) throw badRequest(`Port ${port} could not be found.`);
    throw badRequest(`Network ${uuid ?? ''} could not be found.`);
  }
  const group = server.security_groups?.find(({ name }) => name !== 'default');
  if (group !== undefined && !hasService(request.caller, 'network'))
    throw badRequest(`Unable to find security_group with name or id '${group.name ?? ''}'`);
}

function countsOf(server: NewServer): { readonly minCount: number; readonly maxCount: number } {
  const minCount = integerOf(server.min_count ?? 1);
  const maxCount = integerOf(server.max_count ?? minCount);
  if (minCount > maxCount) throw badRequest('min_count must be <= max_count');
  return { minCount, maxCount };
}

function destinationOf(server: NewServer, { forcedHost }: ZoneRequest): string | null {
  const { host, hypervisor_hostname: node } = server;
  if (host !== undefined && node !== undefined && host !== node) throw badRequest(`Compute host ${host} does not have a node ${node}.`);
  const wanted = host ?? node ?? null;
  if (wanted !== null && forcedHost !== null)
    throw badRequest('A host in availability_zone and the requested host or hypervisor_hostname cannot be given together.');
  return wanted;
}

/** No flavor has this id. */
const NO_FLAVOR = '';

/**
 * What an earlier request with the client's key made: its image may be gone since, or nobody there to be asked for it.
 * Without a flavor the conductor answers a repeat and accepts nothing new.
 * @throws `why` the image was not found, for a request that is no repeat
 */
async function repeated(api: Api, { idempotencyKey, rpc }: ApiRequest, asked: CreateServers, why: unknown): Promise<ServersCreated> {
  if (idempotencyKey === null) throw why;
  try {
    return await api.conductor.createServers(make(CreateServers, { ...asked, flavorId: NO_FLAVOR }), rpc);
  } catch (error) {
    throw hasCode(error, 'FlavorInvalid') ? why : error;
  }
}

export async function createServers(api: Api, request: ApiRequest): Promise<Reply> {
  const body = request.body as CreateBody;
  const { server } = body;
  const zone = parseZone(server.availability_zone);
  const counts = countsOf(server);
  const imageId = canonicalUuid(bootImage(server));
  demandPolicies(api, request, server, zone);
  refuseUnsupported(server, request);
  checkInjectedFiles(server.personality ?? [], api.config);
  const asked = make(CreateServers, {
    scope: scopeFor(api, request),
    idempotencyKey: request.idempotencyKey ?? request.id,
    bodyHash: request.bodyHash,
    name: server.name.trim(),
    hostname: server.hostname ?? null,
    description: server.description ?? null,
    ...counts,
    flavorId: String(server.flavorRef),
    keyName: server.key_name ?? null,
    metadata: server.metadata ?? {},
    tags: [...(server.tags ?? [])],
    availabilityZone: zone.zone ?? (api.config.defaultScheduleZone || null),
    forcedHost: zone.forcedHost,
    requestedHost: destinationOf(server, zone),
    hints: body['os:scheduler_hints'] ?? body['OS-SCH-HNT:scheduler_hints'] ?? {},
    userData: server.user_data ?? null,
    configDrive: booleanOf(server.config_drive ?? false) === true,
    diskConfig: server['OS-DCF:diskConfig'] ?? 'MANUAL',
    accessIpV4: server.accessIPv4 ?? null,
    accessIpV6: server.accessIPv6 ?? null,
    zeroDiskDeniedBy: deniedBy(api, request, ZERO_DISK),
  });
  const created = await api.images.bootable(request.caller, imageId).then(
    (image) => api.conductor.createServers(Object.assign(asked, { image }), request.rpc),
    (why: unknown) => repeated(api, request, asked, why),
  );
  if (booleanOf(server.return_reservation_id ?? false) === true) return new Reply({ reservation_id: created.reservationId });
  return createdReply(api, request, server, created.serverUuids[0]!, created.replayed);
}

/** A repeat of an earlier request is answered without the password: it is kept nowhere. */
function createdReply({ config, random }: Api, { links }: ApiRequest, server: NewServer, uuid: string, replayed: boolean): Reply {
  const withPassword = config.enableInstancePassword && !replayed;
  return new Reply(
    {
      server: {
        id: uuid,
        links: links.both(`servers/${uuid}`),
        ...(withPassword ? { adminPass: server.adminPass ?? random.text(config.passwordLength) } : {}),
        'OS-DCF:diskConfig': server['OS-DCF:diskConfig'] ?? 'MANUAL',
        security_groups: [{ name: 'default' }],
      },
    },
    { headers: { Location: links.self(`servers/${uuid}`) } },
  );
}
