import { resolve } from 'node:path';
import type { CommandOptions, Given } from '../cli/command.ts';
import { zoneList } from '../config/hosts.ts';

export const processOptions: CommandOptions = {
  broker: { value: 'URL', help: 'RabbitMQ (else broker.urls of the configuration).' },
  database: { value: 'URL', help: 'PostgreSQL database of the control plane (else database.url); must exist, its tables are made.' },
  'standalone-database': { value: 'URL', help: 'PostgreSQL database of the built-in services (else standalone.database_url); must exist.' },
  'no-standalone': { help: 'No built-in identity and image services: auth.url names a real Keystone.' },
  apis: { value: 'N', help: 'API processes; the second and later ones listen on free ports.', default: '1' },
  conductors: { value: 'N', help: 'Conductor processes.', default: '2' },
  schedulers: { value: 'N', help: 'Scheduler processes.', default: '1' },
  'compute-processes': { value: 'N', help: 'Processes that the hosts are spread over.', default: '1' },
  hosts: { value: 'N', help: 'Hosts of the fake cloud.', default: '4' },
  zones: { value: 'A,B', help: 'Availability zones to spread the hosts over; made as host aggregates.' },
  state: { value: 'DIR', help: 'Where journals, images, logs, passwords and clouds.yaml are kept.', default: '.kilonova-processes' },
};

export interface ProcessOptions {
  readonly apis: number;
  readonly conductors: number;
  readonly schedulers: number;
  readonly computeProcesses: number;
  readonly hosts: number;
  readonly zones: readonly string[];
  readonly standalone: boolean;
  /** Absolute. */
  readonly state: string;
  /** Values of the configuration that were given as options. */
  readonly flags: Readonly<Record<string, unknown>>;
}

export function readProcessOptions(given: Given): ProcessOptions {
  const number = (name: string, max: number) => given.number(name, { min: 1, max }) ?? 1;
  const hosts = number('hosts', 1_000);
  const named = {
    'broker.urls': given.text('broker'),
    'database.url': given.text('database'),
    'standalone.database_url': given.text('standalone-database'),
  };
  return {
    apis: number('apis', 16),
    conductors: number('conductors', 16),
    schedulers: number('schedulers', 16),
    computeProcesses: Math.min(hosts, number('compute-processes', 64)),
    hosts,
    zones: zoneList(given.text('zones'), hosts),
    standalone: !given.switch('no-standalone'),
    state: resolve(given.text('state') ?? ''),
    flags: Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
  };
}
