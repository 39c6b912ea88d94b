import { UsageError } from '../cli/command.ts';

/** Names of hosts separated by commas. Throws UsageError. */
export function hostList(given: string): readonly string[] {
  const hosts = given.split(',').map((host) => host.trim());
  for (const [index, host] of hosts.entries()) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,253}$/.test(host)) throw new UsageError(`expected names of hosts separated by commas, found ${JSON.stringify(host)}`);
    if (hosts.indexOf(host) !== index) throw new UsageError(`the host ${host} is named twice`);
  }
  return hosts;
}

/** `prefix-1` to `prefix-N`. */
export const numberedHosts = (prefix: string, count: number): readonly string[] => Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);
