import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { runTool } from './run-tool.ts';

const POLICY = '/usr/sbin/policy-rc.d';
const APT_TIMEOUT_MS = 600_000;

/** Debian or one of its children, as root: the one case in which a test run may install packages. */
export function mayInstallPackages(): boolean {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get') || !existsSync('/etc/os-release')) return false;
  return /^(ID|ID_LIKE)=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'));
}

/**
 * `apt-get install`, without letting the packages start their services: policy-rc.d says 101 ("action forbidden by
 * policy") for as long as it takes. A machine that has a policy of its own keeps it.
 */
export async function installPackages(names: readonly string[], say: (line: string) => void): Promise<void> {
  say(`installing ${names.join(' ')} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await runTool('apt-get', ['update', '-q'], { env, timeoutMs: APT_TIMEOUT_MS });
    await runTool('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...names], { env, timeoutMs: APT_TIMEOUT_MS });
  } finally {
    if (ours) rmSync(POLICY, { force: true });
  }
}
