import { UsageError, type CommandOptions, type Given } from '../cli/command.ts';
import { zoneList } from '../config/hosts.ts';
import { configOptions } from '../config/options.ts';
import { requireDistinct, type WantedPort } from './ports.ts';

export const defaultState = '.kilonova';
const DEFAULT_PORTS = { identity: 5000, compute: 8774, image: 9292, probes: 8775 };

export const upOptions: CommandOptions = {
  hosts: { value: 'N', help: 'Hosts of the fake cloud, 1 to 200.', default: '4' },
  zones: { value: 'A,B', help: 'Availability zones to spread the hosts over; made as host aggregates.' },
  state: { value: 'DIR', help: `Where everything is kept (default ${defaultState}).` },
  ephemeral: { help: 'Keep nothing: the state is a temporary folder (or --state DIR, which must be new) and is removed at the end.' },
  'port-offset': { value: 'N', help: 'Added to every port.', default: '0' },
  'identity-port': { value: 'PORT', help: `Port of the identity service (default ${DEFAULT_PORTS.identity}).` },
  'compute-port': { value: 'PORT', help: `Port of the compute API (default ${DEFAULT_PORTS.compute}).` },
  'image-port': { value: 'PORT', help: `Port of the image service (default ${DEFAULT_PORTS.image}).` },
  'probes-port': { value: 'PORT', help: `Port of /healthz and /metrics (default ${DEFAULT_PORTS.probes}).` },
  'postgres-port': { value: 'PORT', help: 'Port of the embedded PostgreSQL (default: a free one).' },
  ...configOptions,
};

export interface UpOptions {
  readonly hosts: number;
  readonly zones: readonly string[];
  /** Undefined: a temporary folder. */
  readonly state: string | undefined;
  readonly ephemeral: boolean;
  readonly ports: {
    readonly identity: number;
    readonly compute: number;
    readonly image: number;
    readonly probes: number;
    readonly postgres: number;
  };
}

export const bindAddress = '127.0.0.1';

/** What was typed, checked. Throws UsageError. */
export function readUpOptions(given: Given): UpOptions {
  const offset = given.number('port-offset', { min: 0, max: 60_000 }) ?? 0;
  const port = (name: keyof typeof DEFAULT_PORTS) => {
    const chosen = given.number(`${name}-port`, { min: 1, max: 65_535 }) ?? DEFAULT_PORTS[name] + offset;
    if (chosen > 65_535) throw new UsageError(`--port-offset ${offset} moves ${name} to ${chosen}, past the last port 65535`);
    return chosen;
  };
  const hosts = given.number('hosts', { min: 1, max: 200 }) ?? 4;
  const zones = zoneList(given.text('zones'), hosts);
  const ephemeral = given.switch('ephemeral');
  const options: UpOptions = {
    hosts,
    zones,
    ephemeral,
    state: given.text('state') ?? (ephemeral ? undefined : defaultState),
    ports: {
      identity: port('identity'),
      compute: port('compute'),
      image: port('image'),
      probes: port('probes'),
      postgres: given.number('postgres-port', { min: 1, max: 65_535 }) ?? 0,
    },
  };
  requireDistinct(wantedPorts(options));
  return options;
}

export const wantedPorts = ({ ports }: UpOptions): readonly WantedPort[] => [
  { what: 'the identity service', port: ports.identity, option: '--identity-port' },
  { what: 'the compute API', port: ports.compute, option: '--compute-port' },
  { what: 'the image service', port: ports.image, option: '--image-port' },
  { what: '/healthz', port: ports.probes, option: '--probes-port' },
  ...(ports.postgres === 0 ? [] : [{ what: 'PostgreSQL', port: ports.postgres, option: '--postgres-port' }]),
];
