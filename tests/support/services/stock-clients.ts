import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installPackages, mayInstallPackages } from './debian-packages.ts';

/** Each client with the Debian package that brings it. */
const CLIENTS = { openstack: 'python3-openstackclient', nova: 'python3-novaclient' } as const;

/**
 * The unmodified clients that the journeys drive, installed when they are missing and this may be done. 'absent' only
 * when the caller said so by KILONOVA_TEST_CLIENTS=absent; else their absence is an error.
 */
export async function ensureStockClients(say: (line: string) => void): Promise<'present' | 'absent'> {
  const missing = () => Object.entries(CLIENTS).filter(([program]) => !isOnPath(program));
  if (missing().length === 0) return 'present';
  if (process.env['KILONOVA_TEST_CLIENTS'] === 'absent') return 'absent';
  let reason = 'this is not Debian or Ubuntu as root';
  if (mayInstallPackages())
    try {
      await installPackages(
        missing().map(([, name]) => name),
        say,
      );
      reason = 'the packages are installed and bring no such program';
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  const names = missing().map(([program, name]) => `${program} (${name})`);
  if (names.length === 0) return 'present';
  throw new Error(
    `the journeys need the stock clients, and these are missing: ${names.join(', ')}; they cannot be installed: ${reason}. Put them on the PATH, or set KILONOVA_TEST_CLIENTS=absent to run the rest and have the journeys count as failed`,
  );
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
