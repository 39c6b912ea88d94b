import { startApi } from '@kilonova/api';
import { startCompute } from '@kilonova/compute';
import { migrateDatabase, startConductor } from '@kilonova/conductor';
import { InProcessBroker } from '@kilonova/rpc';
import type { RunningService, Surroundings } from '@kilonova/runtime';
import { startScheduler } from '@kilonova/scheduler';
import { hostAccount } from '../config/broker.ts';
import { numberedHosts } from '../config/hosts.ts';
import type { KilonovaConfig } from '../config/sections.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../postgres/embedded.ts';
import { startStandalone } from '../process/standalone.ts';
import { rpcMetrics } from '../process/rpc-metrics.ts';
import { bindAddress, type UpOptions } from './options.ts';
import { FirstContents } from './first-contents.ts';
import type { State } from './state.ts';

/** What a cloud in one process needs of the one who starts it. */
export interface CloudFrame {
  readonly options: UpOptions;
  readonly config: KilonovaConfig;
  readonly state: State;
  /** With a registry of its own; `labels` tell the agents apart. */
  surroundings(service: string, labels?: Readonly<Record<string, string>>): Surroundings;
  /** Ended in reverse order, within the grace of the whole; PostgreSQL is not among them. */
  add<Service extends RunningService>(service: Service): Service;
  onStop(stop: () => Promise<void>): void;
  /** Throws when the user has stopped the start meanwhile. */
  step<T>(what: string, act: () => Promise<T>): Promise<T>;
  notice(line: string): void;
  /** PostgreSQL is up; whoever starts the cloud ends it last. */
  database(server: EmbeddedPostgres): void;
}

export interface RunningCloud {
  readonly computeUrl: string;
  readonly identityUrl: string;
  readonly imageUrl: string;
  readonly hosts: readonly string[];
}

const DATABASE = 'kilonova';
const STANDALONE_DATABASE = 'kilonova_standalone';

/** Starts every service in this process on an embedded PostgreSQL and an in-process broker. */
export async function startCloud(frame: CloudFrame): Promise<RunningCloud> {
  const { options, state, step } = frame;
  const postgres = await step('PostgreSQL', () =>
    startEmbeddedPostgres({
      dir: state.file('postgres'),
      port: options.ports.postgres,
      ephemeral: options.ephemeral,
      databases: [DATABASE, STANDALONE_DATABASE],
      stopGraceMs: 1_000,
      notice: (line) => frame.notice(line),
    }),
  );
  frame.database(postgres);
  const config = configOf(frame, postgres);
  await step('the tables', () => migrateDatabase(config.database));

  const around = frame.surroundings('broker');
  const broker = new InProcessBroker({ ...around, metrics: rpcMetrics(around.metrics) });
  const connect = (service: string, id: string, user: string) => {
    const transport = broker.connect({ service, id, user });
    frame.onStop(() => transport.close());
    return transport;
  };

  await step('the conductor', async () =>
    frame.add(
      await startConductor({ ...frame.surroundings('conductor'), config, transport: connect('conductor', 'conductor-1', 'conductor') }),
    ),
  );
  await step('the scheduler', async () =>
    frame.add(
      await startScheduler({
        ...frame.surroundings('scheduler'),
        config,
        transport: connect('scheduler', 'scheduler-1', 'scheduler'),
        host: 'scheduler-1',
      }),
    ),
  );
  const hosts = numberedHosts('host', options.hosts);
  await step('the hosts', () =>
    Promise.all(
      hosts.map(async (host) =>
        frame.add(
          named(
            `compute.${host}`,
            await startCompute({
              ...frame.surroundings('compute', { host }),
              config,
              host,
              transport: connect('compute', host, hostAccount(host)),
              stateDir: state.file(`hosts/${host}`),
            }),
          ),
        ),
      ),
    ),
  );
  const standalone = await step('identity and images', () =>
    startStandalone({ config, surroundings: (service) => frame.surroundings(service), add: (service) => frame.add(service) }),
  );
  const api = await step('the API', async () =>
    frame.add(await startApi({ ...frame.surroundings('api'), config, transport: connect('api', 'api-1', 'api') })),
  );
  await step('the first contents', () =>
    new FirstContents(connect('api', 'seeds', 'api'), frame.surroundings('seeds')).ensure({
      zones: options.zones,
      hosts,
      marker: state.file('seeded'),
    }),
  );
  return { computeUrl: api.url, ...standalone, hosts };
}

/** The configuration of the user, with what only this process can know. */
function configOf({ config, options: { ports }, state }: CloudFrame, postgres: EmbeddedPostgres): KilonovaConfig {
  const identityUrl = `http://${bindAddress}:${ports.identity}`;
  return {
    ...config,
    database: { ...config.database, url: postgres.urlOf(DATABASE) },
    // Everything together must end within five seconds.
    conductor: { ...config.conductor, enforceHostAccounts: true, stopGraceMs: Math.min(config.conductor.stopGraceMs, 1_000) },
    compute: { ...config.compute, graceMs: Math.min(config.compute.graceMs, 1_000) },
    api: { ...config.api, host: bindAddress, port: ports.compute, stopGraceMs: Math.min(config.api.stopGraceMs, 1_000) },
    auth: { ...config.auth, url: `${identityUrl}/v3`, username: 'nova', password: state.passwords.service, projectName: 'service' },
    identity: { ...config.identity, host: bindAddress, port: ports.identity, stopGraceMs: Math.min(config.identity.stopGraceMs, 500) },
    image: { ...config.image, host: bindAddress, port: ports.image, stopGraceMs: Math.min(config.image.stopGraceMs, 500) },
    standalone: {
      databaseUrl: postgres.urlOf(STANDALONE_DATABASE),
      dataDir: state.file('images'),
      computeUrl: `http://${bindAddress}:${ports.compute}`,
      adminPassword: state.passwords.admin,
      demoPassword: state.passwords.demo,
      servicePassword: state.passwords.service,
    },
  };
}

/** The same service under a name of its own, so that the checks of several agents stay apart. */
const named = (name: string, service: RunningService): RunningService => ({
  name,
  health: () => service.health(),
  stop: () => service.stop(),
});
