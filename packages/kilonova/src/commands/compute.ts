import { hostname } from 'node:os';
import { join } from 'node:path';
import { startCompute } from '@kilonova/compute';
import { UsageError, type Command, type Given } from '../cli/command.ts';
import { hostList, numberedHosts } from '../config/hosts.ts';
import { configFor, configOptions } from '../config/options.ts';
import { settleAccounts } from '../process/accounts.ts';
import { connectHost } from '../process/host-connection.ts';
import { runServiceProcess } from '../process/service-process.ts';
import { pinOf } from '../process/transport.ts';

const MAX_FAKE_HOSTS = 1_000;

export const compute: Command = {
  name: 'compute',
  summary: 'Run the agent of a host, or of several fake ones.',
  details: `Needs the broker. One host has one agent. With --fake-hosts N there are N independent agents in this process, each with its own
account, connection, queue and journal.`,
  options: {
    host: { value: 'NAME', help: "The host's name (default: this machine's)." },
    'fake-hosts': { value: 'N', help: 'This many hosts, PREFIX-1 to PREFIX-N.' },
    'first-fake-host': { value: 'K', help: 'Number of the first of them.', default: '1' },
    'host-prefix': { value: 'PREFIX', help: 'What the names of fake hosts begin with.', default: 'host' },
    state: { value: 'DIR', help: 'Where the journals are kept, in a folder per host.', default: '/var/lib/kilonova/compute' },
    ...configOptions,
  },
  run(given) {
    const hosts = hostsOf(given);
    const stateDir = given.text('state') ?? '';
    return runServiceProcess('compute', settleAccounts(configFor(given)), async ({ config, surroundings, add, onStop, waits }) => {
      await Promise.all(
        hosts.map(async (host) => {
          const around = surroundings({ host });
          const transport = await connectHost(config.broker, host, around, (reason) => waits(`compute.${host}.broker`, reason));
          onStop(() => transport.close());
          const agent = await startCompute({ ...around, config, host, transport, stateDir: join(stateDir, host), ...pinOf(config.broker) });
          add({ name: `compute.${host}`, health: () => agent.health(), stop: () => agent.stop() });
        }),
      );
    });
  },
};

function hostsOf(given: Given): readonly string[] {
  const fake = given.number('fake-hosts', { min: 1, max: MAX_FAKE_HOSTS });
  const named = given.text('host');
  if (fake === undefined) {
    for (const name of ['host-prefix', 'first-fake-host'])
      if (given.switch(name)) throw new UsageError(`--${name} names fake hosts: expected --fake-hosts N with it`);
    return hostList(named ?? hostname());
  }
  if (named !== undefined) throw new UsageError('--host and --fake-hosts exclude each other: fake hosts are named by --host-prefix');
  return hostList(
    numberedHosts(given.text('host-prefix') ?? 'host', fake, given.number('first-fake-host', { min: 0, max: 1_000_000 })).join(','),
  );
}
