/** Why a live migration can never work, as far as the conductor can tell before it begins. */
import type { ErrorCode } from '@kilonova/objects';
import type { HostSigns } from '../../db/hosts-up.ts';

export interface LiveWish {
  readonly instanceUuid: string;
  readonly host: string;
  /** null: whichever the scheduler names. */
  readonly wantedHost: string | null;
}

export interface Obstacle {
  readonly code: ErrorCode;
  readonly message: string;
}

export const hostNotFound = (host: string): Obstacle => ({
  code: 'MigrationInvalid',
  message: `Compute host ${host} could not be found.`,
});

const unavailable = (host: string): Obstacle => ({
  code: 'HostUnavailable',
  message: `Compute service of ${host} is unavailable at this time.`,
});

/** @param signs of both hosts. Pure. */
export function obstacleOf({ instanceUuid, host, wantedHost }: LiveWish, signs: ReadonlyMap<string, HostSigns>): Obstacle | undefined {
  const source = signs.get(host);
  if (source?.up !== true) return unavailable(host);
  if (wantedHost === null) return undefined;
  if (wantedHost === host)
    return { code: 'MigrationInvalid', message: `Unable to migrate instance (${instanceUuid}) to current host (${host}).` };
  const destination = signs.get(wantedHost);
  if (destination === undefined) return hostNotFound(wantedHost);
  if (!destination.up) return unavailable(wantedHost);
  if (destination.hypervisorType !== source.hypervisorType)
    return { code: 'MigrationInvalid', message: 'The supplied hypervisor type of is invalid.' };
  if (destination.hypervisorVersion < source.hypervisorVersion)
    return { code: 'MigrationInvalid', message: 'The instance requires a newer hypervisor version than has been provided.' };
  return undefined;
}
