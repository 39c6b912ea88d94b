import type { Flavor, Image } from '@kilonova/objects';
import type { Knex } from 'knex';

/** What differs between the servers of one request. */
export interface NewServer {
  readonly uuid: string;
  readonly name: string;
  readonly hostname: string;
  readonly launchIndex: number;
}

/** What they have in common. */
export interface NewServers {
  readonly servers: readonly NewServer[];
  readonly projectId: string;
  readonly userId: string;
  readonly requestId: string;
  readonly reservationId: string;
  readonly description: string | null;
  readonly flavor: Flavor;
  readonly image: Image | null;
  readonly keyName: string | null;
  readonly publicKey: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly userData: string | null;
  readonly configDrive: boolean;
  readonly diskConfig: string;
  readonly accessIpV4: string | null;
  readonly accessIpV6: string | null;
  readonly availabilityZone: string | null;
  readonly serverGroupUuid: string | null;
  /** Where they may go besides their zone and flavor. */
  readonly requestSpec: {
    readonly forcedHost: string | null;
    readonly requestedHost: string | null;
    readonly hints: Readonly<Record<string, unknown>>;
  };
}

const MIB_PER_GIB = 1024;

/** What a server of the flavor takes of a host's disk, in GiB; swap is rounded up. */
export const diskOf = ({ rootGb, ephemeralGb, swapMb }: Flavor): number => rootGb + ephemeralGb + Math.ceil(swapMb / MIB_PER_GIB);

/** The servers of a request, BUILD and scheduling, and what was asked of each: two statements for any number. */
export async function insertServers(trx: Knex.Transaction, request: NewServers): Promise<void> {
  const { flavor, image } = request;
  await trx.raw(
    `insert into instances (uuid, name, hostname, launch_index, project_id, user_id, description, vm_state, task_state, reservation_id,
       flavor, flavor_id, vcpus, memory_mb, disk_gb, image, image_id, kernel_id, ramdisk_id, key_name, public_key, metadata, tags, user_data,
       config_drive, disk_config, access_ip_v4, access_ip_v6, availability_zone, pinned_availability_zone, server_group_uuid, request_spec)
     select n.uuid, n.name, n.hostname, n."launchIndex", :projectId, :userId, :description, 'building', 'scheduling', :reservationId,
       cast(:flavor as jsonb), :flavorId, cast(:vcpus as bigint), cast(:memoryMb as bigint), cast(:diskGb as bigint),
       cast(:image as jsonb), :imageId, :kernelId, :ramdiskId, :keyName, :publicKey, cast(:metadata as jsonb), cast(:tags as text[]), :userData,
       cast(:configDrive as boolean), :diskConfig, :accessIpV4, :accessIpV6, :availabilityZone, :availabilityZone, cast(:serverGroupUuid as uuid),
       cast(:requestSpec as jsonb)
     from jsonb_to_recordset(cast(:servers as jsonb)) as n (uuid uuid, name text, hostname text, "launchIndex" integer)
     order by n."launchIndex"`,
    {
      servers: JSON.stringify(request.servers),
      projectId: request.projectId,
      userId: request.userId,
      description: request.description,
      reservationId: request.reservationId,
      flavor: JSON.stringify(flavor),
      flavorId: flavor.flavorId,
      vcpus: flavor.vcpus,
      memoryMb: flavor.memoryMb,
      diskGb: diskOf(flavor),
      image: image === null ? null : JSON.stringify(image),
      imageId: image?.id ?? null,
      kernelId: image?.properties['kernel_id'] ?? null,
      ramdiskId: image?.properties['ramdisk_id'] ?? null,
      keyName: request.keyName,
      publicKey: request.publicKey,
      metadata: JSON.stringify(request.metadata),
      tags: request.tags,
      userData: request.userData,
      configDrive: request.configDrive,
      diskConfig: request.diskConfig,
      accessIpV4: request.accessIpV4,
      accessIpV6: request.accessIpV6,
      availabilityZone: request.availabilityZone,
      serverGroupUuid: request.serverGroupUuid,
      requestSpec: JSON.stringify(request.requestSpec),
    } as object as Record<string, Knex.Value>,
  );
  await trx.raw(
    `insert into instance_actions (instance_uuid, request_id, action, project_id, user_id)
     select u, :requestId, 'create', :projectId, :userId from unnest(cast(:uuids as uuid[])) as u`,
    {
      uuids: request.servers.map((server) => server.uuid),
      requestId: request.requestId,
      projectId: request.projectId,
      userId: request.userId,
    },
  );
}
