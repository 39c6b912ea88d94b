import { closeSync, openSync } from 'node:fs';
import { chooseCase, sizeBounds, WatchedProcesses, type BenchCase, type Cut, type Sizes } from '@kilonova/bench';
import { UsageError, type CommandOptions, type Given } from '../cli/command.ts';
import { configOptions } from '../config/options.ts';

const MAX_RUNS = 20;

/** Option to what it sets of a case. */
const SIZES: Readonly<Record<string, keyof Sizes>> = {
  servers: 'servers',
  concurrency: 'concurrency',
  hosts: 'hosts',
  agents: 'agents',
  seconds: 'seconds',
  'list-every-ms': 'listEveryMs',
  'create-every-ms': 'createEveryMs',
  'tick-ms': 'tickMs',
  'heartbeat-ms': 'heartbeatMs',
  'time-limit': 'timeLimitSeconds',
};

export const benchOptions: CommandOptions = {
  servers: { value: 'N', help: 'Servers to make, or to read.' },
  concurrency: { value: 'C', help: 'Requests (of agents: openings of connections) at a time.' },
  hosts: { value: 'H', help: 'Hosts of the schedulers.' },
  agents: { value: 'A', help: 'Agents, each with a connection.' },
  seconds: { value: 'S', help: 'How long each thing that goes by time is measured.' },
  'list-every-ms': { value: 'MS', help: 'Between the beginnings of two long lists of a kind; 0: one after the other.' },
  'create-every-ms': { value: 'MS', help: 'Between the beginnings of two creates beside them; 0: one after the other.' },
  'tick-ms': { value: 'MS', help: 'Between two looks at what became ACTIVE or was gone.' },
  'heartbeat-ms': { value: 'MS', help: 'Between two signs of life of an agent.' },
  'time-limit': { value: 'S', help: 'A run that takes longer is ended, and what it made is taken back.' },
  runs: { value: 'N', help: 'Runs of each case; figures are their medians.', default: '1' },
  small: { help: 'Just see that it works: small sizes, no targets.' },
  watch: {
    value: 'DIR|NAME=PID,...',
    help: 'Processes whose CPU is told: a folder of NAME.pid files ("kilonova processes" writes them into its state folder), or by name. May be repeated.',
    repeated: true,
  },
  metrics: {
    value: 'URL',
    help: 'A /metrics of the cloud (its probes port): statements and messages per server are counted over all that are given. May be repeated.',
    repeated: true,
  },
  json: { value: 'FILE', help: 'Everything that was measured, every run, as JSON.' },
  image: { value: 'ID|NAME', help: "The servers' image (default: the first)." },
  flavor: { value: 'ID|NAME', help: "The servers' flavor (default: the smallest)." },
  'lift-quota': { help: "Take the project's quota away for the run (as an administrator)." },
  cut: {
    value: 'HOW',
    help: 'How agents lose their connections. wire: they go through this process, which cuts them. operator: straight, and you restart the broker.',
    default: 'wire',
  },
  ...configOptions,
};

export interface BenchOptions {
  readonly cases: readonly BenchCase[];
  readonly runs: number;
  readonly watched: WatchedProcesses;
  readonly metricsUrls: readonly string[];
  readonly json: string | undefined;
  readonly image: string | undefined;
  readonly flavor: string | undefined;
  readonly liftQuota: boolean;
  readonly cut: Cut;
}

export function readBenchOptions(given: Given): BenchOptions {
  if (given.words.length === 0) throw new UsageError('name at least one case');
  const sizes: Sizes = Object.fromEntries(
    Object.entries(SIZES).flatMap(([option, size]) => {
      const value = given.number(option, sizeBounds[size]);
      return value === undefined ? [] : [[size, value]];
    }),
  );
  const cut = given.text('cut');
  if (cut !== 'wire' && cut !== 'operator') throw new UsageError(`--cut: expected wire or operator, found ${JSON.stringify(cut)}`);
  return {
    cases: given.words.map((name) => meant(() => chooseCase(name, sizes, { small: given.switch('small') }))),
    runs: given.number('runs', { min: 1, max: MAX_RUNS }) ?? 1,
    watched: meant(() => WatchedProcesses.of(given.all('watch'))),
    metricsUrls: given.all('metrics'),
    json: writable(given.text('json')),
    image: given.text('image'),
    flavor: given.text('flavor'),
    liftQuota: given.switch('lift-quota'),
    cut,
  };
}

/** Found out before the hours of a run, not after them. */
function writable(file: string | undefined): string | undefined {
  if (file !== undefined)
    try {
      closeSync(openSync(file, 'a')); // what it holds stays until there is something new
    } catch (error) {
      throw new UsageError(`--json: cannot be written: ${(error as Error).message}`);
    }
  return file;
}

function meant<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
