import { failure, type CreateServers, type Flavor, type Image } from '@kilonova/objects';
import type { GroupPlaces, References } from '../db/create-requests.ts';
import { isUuid } from '../db/rows.ts';
import { refuseZeroDisk } from './zero-disk.ts';

/**
 * Whether what a create request names is there and fits together.
 *
 * @returns the flavor
 * @throws FlavorInvalid, FlavorTooSmall, PolicyDenied, KeypairInvalid, HostInvalid, ZoneInvalid
 */
export function checkReferences(request: CreateServers, { flavor, publicKey, zoneTakesServers, hosts }: References): Flavor {
  const { forcedHost, requestedHost, availabilityZone, image } = request;
  if (flavor === null) throw failure('FlavorInvalid', `Flavor ${request.flavorId} could not be found.`);
  if (image !== null) refuseSmallFlavor(flavor, image);
  refuseZeroDisk(flavor, request.zeroDiskDeniedBy);
  if (request.keyName !== null && publicKey === null) throw failure('KeypairInvalid', 'Invalid key_name provided.');
  for (const host of [forcedHost, requestedHost])
    if (host !== null && !hosts.includes(host)) throw failure('HostInvalid', `Compute host ${host} could not be found.`);
  if (availabilityZone !== null && forcedHost === null && !zoneTakesServers)
    throw failure('ZoneInvalid', 'The requested availability zone is not available');
  return flavor;
}

const GIB = 2 ** 30;

/** A root disk of 0 takes the image's size. */
function refuseSmallFlavor({ memoryMb, rootGb }: Flavor, { minRamMb, minDiskGb, size }: Image): void {
  if (memoryMb < minRamMb) throw failure('FlavorTooSmall', "Flavor's memory is too small for requested image.");
  if (rootGb === 0) return;
  if (size > rootGb * GIB)
    throw failure(
      'FlavorTooSmall',
      `Flavor's disk is too small for requested image. Flavor disk is ${rootGb * GIB} bytes, image is ${size} bytes.`,
    );
  if (minDiskGb > rootGb)
    throw failure(
      'FlavorTooSmall',
      `Flavor's disk is smaller than the minimum size specified in image metadata. ` +
        `Flavor disk is ${rootGb * GIB} bytes, minimum size is ${minDiskGb * GIB} bytes.`,
    );
}

/** The group that a request's hints name; null for none. @throws GroupInvalid */
export function groupOf({ hints }: CreateServers): string | null {
  const group = hints['group'];
  if (group === undefined || group === null) return null;
  if (typeof group !== 'string') throw failure('GroupInvalid', 'The scheduler hint group: expected the uuid of a server group');
  if (!isUuid(group)) throw groupNotFound(group);
  return group;
}

/** @throws GroupInvalid where the scope has no such group */
export function checkGroup({ scope }: CreateServers, group: string, found: GroupPlaces | undefined): GroupPlaces {
  if (found === undefined || (!scope.allProjects && found.projectId !== scope.projectId)) throw groupNotFound(group);
  return found;
}

const groupNotFound = (group: string) => failure('GroupInvalid', `Instance group ${group} could not be found.`);
