import { join } from 'node:path';
import type { KilonovaConfig } from '../config/sections.ts';
import type { Passwords } from '../up/state.ts';
import type { ProcessOptions } from './options.ts';

/** One process to start. */
export interface PlannedProcess {
  /** `conductor-2`; its log is NAME.log. */
  readonly name: string;
  readonly args: readonly string[];
  /** Values of the configuration that are this process's own, whatever was given for all. */
  readonly settings?: readonly string[];
  /** Values of the configuration, by their names in the environment: arguments can be read by every user of the machine. */
  readonly env: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
  /** It ends by itself when the database is not up to date. */
  readonly needsSchema?: boolean;
}

/** What a request leaves behind dies young: with more room for it, an api and a conductor use a tenth less CPU, and some 40 MB more each. */
const FOR_REQUESTS = ['--max-semi-space-size=32'];

/** The processes in groups: all start at once, and each group stops before the one that stands before it. */
export function planProcesses(
  options: ProcessOptions,
  config: KilonovaConfig,
  passwords: Passwords,
): readonly (readonly PlannedProcess[])[] {
  const broker = { KILONOVA_BROKER_URLS: config.broker.urls.join(','), KILONOVA_PROBES_PORT: '0' };
  const several = (service: string, count: number, plan: (index: number) => Omit<PlannedProcess, 'name'>) =>
    Array.from({ length: count }, (_, index) => ({ name: `${service}-${index + 1}`, ...plan(index) }));
  const standalone: PlannedProcess = {
    name: 'standalone',
    args: ['standalone'],
    env: {
      KILONOVA_PROBES_PORT: '0',
      KILONOVA_STANDALONE_DATABASE_URL: config.standalone.databaseUrl,
      KILONOVA_STANDALONE_DATA_DIR: join(options.state, 'images'),
      KILONOVA_STANDALONE_COMPUTE_URL: `http://${config.api.host}:${config.api.port}`,
      KILONOVA_STANDALONE_ADMIN_PASSWORD: passwords.admin,
      KILONOVA_STANDALONE_DEMO_PASSWORD: passwords.demo,
      KILONOVA_STANDALONE_SERVICE_PASSWORD: passwords.service,
    },
  };
  const auth: Readonly<Record<string, string>> = options.standalone
    ? {
        KILONOVA_AUTH_URL: `http://${config.identity.host}:${config.identity.port}/v3`,
        KILONOVA_AUTH_USERNAME: 'nova',
        KILONOVA_AUTH_PASSWORD: passwords.service,
      }
    : {};
  return [
    options.standalone ? [standalone] : [],
    several('conductor', options.conductors, () => ({
      args: ['conductor'],
      env: { ...broker, KILONOVA_DATABASE_URL: config.database.url },
      nodeArgs: FOR_REQUESTS,
      needsSchema: true,
    })),
    several('scheduler', options.schedulers, () => ({ args: ['scheduler'], env: broker })),
    several('compute', options.computeProcesses, (index) => ({
      args: ['compute', ...shareOfHosts(options, index), '--state', join(options.state, 'hosts')],
      env: broker,
    })),
    several('api', options.apis, (index) => ({
      args: ['api'],
      env: { ...broker, ...auth },
      settings: index > 0 ? ['api.port=0'] : [],
      nodeArgs: FOR_REQUESTS,
    })),
  ];
}

/** The hosts of one compute process: consecutive ones, shares that differ by one at most. */
function shareOfHosts({ hosts, computeProcesses }: ProcessOptions, index: number): readonly string[] {
  const from = Math.floor((hosts * index) / computeProcesses);
  const until = Math.floor((hosts * (index + 1)) / computeProcesses);
  return ['--fake-hosts', String(until - from), '--first-fake-host', String(from + 1)];
}
