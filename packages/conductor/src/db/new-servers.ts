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

/** The servers of requests, BUILD and scheduling, and what was asked of each: one statement for any number of both. */
export async function insertServers(trx: Knex.Transaction, requests: readonly NewServers[]): Promise<void> {
  if (requests.length === 0) return;
  await trx.raw(
    `with r as materialized (
       select * from jsonb_to_recordset(cast(:requests as jsonb)) as r ("index" integer, "projectId" text, "userId" text, "requestId" text,
         "reservationId" text, description text, flavor jsonb, "flavorId" text, vcpus bigint, "memoryMb" bigint, "diskGb" bigint, image jsonb,
         "imageId" text, "kernelId" text, "ramdiskId" text, "keyName" text, "publicKey" text, metadata jsonb, tags text[], "userData" text,
         "configDrive" boolean, "diskConfig" text, "accessIpV4" text, "accessIpV6" text, "availabilityZone" text, "serverGroupUuid" uuid,
         "requestSpec" jsonb)
     ), n as materialized (
       select * from jsonb_to_recordset(cast(:servers as jsonb)) as n (request integer, uuid uuid, name text, hostname text, "launchIndex" integer)
     ), made as (
       insert into instances (uuid, name, hostname, launch_index, project_id, user_id, description, vm_state, task_state, reservation_id,
         flavor, flavor_id, vcpus, memory_mb, disk_gb, image, image_id, kernel_id, ramdisk_id, key_name, public_key, metadata, tags, user_data,
         config_drive, disk_config, access_ip_v4, access_ip_v6, availability_zone, pinned_availability_zone, server_group_uuid, request_spec)
       select n.uuid, n.name, n.hostname, n."launchIndex", r."projectId", r."userId", r.description, 'building', 'scheduling',
         r."reservationId", r.flavor, r."flavorId", r.vcpus, r."memoryMb", r."diskGb", r.image, r."imageId", r."kernelId", r."ramdiskId",
         r."keyName", r."publicKey", r.metadata, r.tags, r."userData", r."configDrive", r."diskConfig", r."accessIpV4", r."accessIpV6",
         r."availabilityZone", r."availabilityZone", r."serverGroupUuid", r."requestSpec"
       from n join r on r."index" = n.request order by n.request, n."launchIndex"
     )
     insert into instance_actions (instance_uuid, request_id, action, project_id, user_id)
     select n.uuid, r."requestId", 'create', r."projectId", r."userId" from n join r on r."index" = n.request order by n.request, n."launchIndex"`,
    {
      requests: JSON.stringify(requests.map(rowOf)),
      servers: JSON.stringify(requests.flatMap(({ servers }, request) => servers.map((server) => ({ request, ...server })))),
    },
  );
}

/** A JSON null in a column of JSON would be a value: what is not there is left out. */
function rowOf({ image, flavor, ...request }: NewServers, index: number): object {
  return {
    ...request,
    servers: undefined,
    index,
    flavor,
    flavorId: flavor.flavorId,
    vcpus: flavor.vcpus,
    memoryMb: flavor.memoryMb,
    diskGb: diskOf(flavor),
    ...(image !== null && {
      image,
      imageId: image.id,
      kernelId: image.properties['kernel_id'] ?? null,
      ramdiskId: image.properties['ramdisk_id'] ?? null,
    }),
  };
}
