import { UsageError } from '../cli/command.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,253}$/;

/** Names of hosts separated by commas. Throws UsageError. */
export const hostList = (given: string): readonly string[] => nameList(given, 'host');

/** The name of one host. Throws UsageError. */
export function hostName(given: string): string {
  const [host, ...more] = hostList(given);
  if (host === undefined || more.length > 0) throw new UsageError(`expected the name of one host, found ${JSON.stringify(given)}`);
  return host;
}

/** Names of zones separated by commas, for so many hosts. Throws UsageError. */
export function zoneList(given: string | undefined, hosts: number): readonly string[] {
  if (given === undefined) return [];
  const zones = nameList(given, 'zone');
  if (zones.length > hosts)
    throw new UsageError(`--zones names ${zones.length} zones for ${hosts} hosts: a zone without a host takes no server`);
  return zones;
}

function nameList(given: string, what: string): readonly string[] {
  const names = given.split(',').map((name) => name.trim());
  for (const [index, name] of names.entries()) {
    if (!NAME.test(name)) throw new UsageError(`expected names of ${what}s separated by commas, found ${JSON.stringify(name)}`);
    if (names.indexOf(name) !== index) throw new UsageError(`the ${what} ${name} is named twice`);
  }
  return names;
}

/** `prefix-FIRST` and so on. */
export const numberedHosts = (prefix: string, count: number, first = 1): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${first + index}`);
