import type { Flavor } from '@kilonova/objects';
import { refusalBy } from '../handlers/scopes.ts';

/**
 * A root disk of 0 takes the image's size, however large, so that it needs a right of its own. There are no volumes that a server
 * could boot from instead.
 *
 * @param deniedBy the policy that keeps the caller from such flavors; undefined from an api that does not know of it yet
 * @throws PolicyDenied
 */
export function refuseZeroDisk({ rootGb }: Flavor, deniedBy: string | null | undefined): void {
  if (rootGb === 0 && typeof deniedBy === 'string') throw refusalBy(deniedBy);
}
