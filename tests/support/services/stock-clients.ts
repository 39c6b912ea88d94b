import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installPackages, mayInstallPackages } from './debian-packages.ts';

/** Of each stage: every client with the Debian package that brings it. */
const CLIENTS = {
  journeys: { openstack: 'python3-openstackclient', nova: 'python3-novaclient' },
  packages: { 'oslo_messaging for /usr/bin/python3': 'python3-oslo.messaging' },
} as const;
/** Where Debian keeps the modules of its own Python. */
const MODULES = '/usr/lib/python3/dist-packages';

/**
 * The unmodified clients that a stage drives, installed when they are missing and this may be done. 'absent' only
 * when the caller said so by KILONOVA_TEST_CLIENTS=absent; else their absence is an error.
 */
export async function ensureStockClients(stage: keyof typeof CLIENTS, say: (line: string) => void): Promise<'present' | 'absent'> {
  const missing = () => Object.entries(CLIENTS[stage]).filter(([client]) => !isThere(client));
  if (missing().length === 0) return 'present';
  if (process.env['KILONOVA_TEST_CLIENTS'] === 'absent') return 'absent';
  let reason = 'this is not Debian or Ubuntu as root';
  if (mayInstallPackages())
    try {
      await installPackages(
        missing().map(([, name]) => name),
        say,
      );
      reason = 'the packages are installed and do not bring them';
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  const names = missing().map(([program, name]) => `${program} (${name})`);
  if (names.length === 0) return 'present';
  throw new Error(
    `the ${stage} need the stock clients, and these are missing: ${names.join(', ')}; they cannot be installed: ${reason}. Put them on the PATH, or set KILONOVA_TEST_CLIENTS=absent to run the rest and have what needs them count as failed`,
  );
}

const isThere = (client: string) => (client.startsWith('oslo_messaging') ? existsSync(join(MODULES, 'oslo_messaging')) : isOnPath(client));

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
