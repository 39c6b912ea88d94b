import { adoptStrays, listStrays, releaseStrays, type KnownStray } from '@kilonova/conductor';
import { systemRandom } from '@kilonova/runtime';
import { UsageError, type Command, type Given } from '../cli/command.ts';
import { onDatabase } from '../config/database-address.ts';
import { hostName } from '../config/hosts.ts';
import { configFor, configOptions } from '../config/options.ts';

const MOST = 10_000;
const RUNNING = 1;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

export const strays: Command = {
  name: 'strays',
  summary: 'List the domains that hosts show and were not given.',
  details: `Nothing removes them: the database may know less than the hosts (docs/deployment.md, "What happens on bad days"). Asks the database.
At most ${MOST} are listed.`,
  options: configOptions,
  async run(given) {
    const { database } = configFor(given);
    for (const stray of await onDatabase(database, () => listStrays(database, MOST))) process.stdout.write(`${lineOf(stray)}\n`);
    return 0;
  },
};

export const straysAdopt: Command = {
  name: 'strays adopt',
  summary: 'Say that instances are where a host shows them: it is their host from now on.',
  details: `For a database that was restored from a backup which is older than a move, and for a host under another name. An instance that is in a task,
in an open move or deleted is refused, and one that the database does not know. What another host has of it is not removed, only stopped where it runs. Ends with 1
when one was refused; the others are adopted.`,
  words: 'UUID [UUID ...]',
  options: { host: { value: 'HOST', help: 'The host that shows them.' }, ...configOptions },
  async run(given) {
    const { host, uuids } = named(given, 'the UUIDs of the instances that are there');
    let refusals = 0;
    const { database } = configFor(given);
    for (const adoption of await onDatabase(database, () => adoptStrays(database, { host, uuids })))
      if ('adopted' in adoption) process.stdout.write(`adopted: ${lineOf(adoption.adopted)}\n`);
      else {
        refusals += 1;
        process.stderr.write(`kilonova strays adopt: ${adoption.uuid}: ${adoption.refused}\n`);
      }
    return refusals === 0 ? 0 : 1;
  },
};

export const straysRelease: Command = {
  name: 'strays release',
  summary: 'Give up domains that a host shows and was not given: the host removes them.',
  details: `What is on their disks is lost. Only the generations that the host has shown are removed, and the host is told until it has done so. Ends
with 1 when the host shows one of them not at all.`,
  words: 'UUID [UUID ...]',
  options: { host: { value: 'HOST', help: 'The host that shows them.' }, ...configOptions },
  async run(given) {
    const { host, uuids } = named(given, 'the UUIDs of what the host shall remove');
    const { database } = configFor(given);
    const requestId = `req-${systemRandom.uuid()}`;
    const released = await onDatabase(database, () => releaseStrays(database, { host, uuids, requestId }));
    for (const stray of released) process.stdout.write(`released: ${lineOf(stray)}\n`);
    const missing = uuids.filter((uuid) => !released.some((stray) => stray.uuid === uuid));
    for (const uuid of missing) process.stderr.write(`kilonova strays release: host ${host} shows no stray ${uuid}\n`);
    return missing.length === 0 ? 0 : 1;
  },
};

function named(given: Given, expected: string): { readonly host: string; readonly uuids: readonly string[] } {
  const host = given.text('host');
  if (host === undefined) throw new UsageError('--host is missing: the host that shows them');
  if (given.words.length === 0) throw new UsageError(`expected ${expected}`);
  for (const word of given.words)
    if (!UUID.test(word)) throw new UsageError(`expected ${expected}, found ${JSON.stringify(word)}, which is no UUID`);
  return { host: hostName(host), uuids: given.words.map((uuid) => uuid.toLowerCase()) };
}

const lineOf = ({ host, uuid, generation, powerState, standing, firstSeenAt }: KnownStray): string =>
  `${host} ${uuid} generation ${generation} ${powerState === RUNNING ? 'running' : 'not running'} ${standing} since ${firstSeenAt}`;
