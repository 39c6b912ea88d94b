/**
 * Every case with its targets, as data. Targets are for two cores that carry everything (PostgreSQL with fsync, RabbitMQ,
 * all services as processes of their own, 100 fake hosts in four processes), as medians of three runs.
 */
import type { BenchCase, Target } from './case.ts';

const minutes = 60;

const largeTargets: readonly Target[] = [
  { figure: 'errors', atMost: 0 },
  { figure: 'list_p99_ms', atMost: 150 },
  { figure: 'detail_p99_ms', atMost: 150 },
  { figure: 'show_p99_ms', atMost: 20 },
];
const largeWork = { kind: 'large', servers: 100_000, seconds: 30, pageSize: 1_000, timeLimitSeconds: 10 * minutes } as const;
const smallLarge = { servers: 5, concurrency: 1, seconds: 1, pageSize: 5, timeLimitSeconds: 40 };

export const cases: readonly BenchCase[] = [
  {
    name: 'boot',
    summary: 'Servers one by one, many at once: to ACTIVE, then deleted until they are gone.',
    work: { kind: 'boot', servers: 3_000, concurrency: 20, tickMs: 250, timeLimitSeconds: 10 * minutes },
    small: { servers: 20, concurrency: 4, tickMs: 50, timeLimitSeconds: 40 },
    targets: [
      { figure: 'errors', atMost: 0 },
      { figure: 'boots_per_s', atLeast: 200 },
      { figure: 'active_p99_ms', atMost: 2_000 },
      { figure: 'cpu_ms_per_boot', atMost: 6 },
      { figure: 'deletes_vs_boots', atLeast: 1 },
      { figure: 'statements_per_lifecycle', atMost: 20 },
    ],
  },
  {
    name: 'single',
    summary: 'One server after the other on an idle cloud: the time that nothing else adds to.',
    work: { kind: 'single', servers: 50, tickMs: 4, timeLimitSeconds: 5 * minutes },
    small: { servers: 3, timeLimitSeconds: 40 },
    targets: [
      { figure: 'errors', atMost: 0 },
      { figure: 'active_p50_ms', atMost: 30 },
      { figure: 'create_p50_ms', atMost: 6 },
    ],
  },
  {
    name: 'multiboot',
    summary: 'One request for all servers.',
    work: { kind: 'multiboot', servers: 1_000, tickMs: 100, timeLimitSeconds: 5 * minutes },
    small: { servers: 10, tickMs: 50, timeLimitSeconds: 40 },
    targets: [
      { figure: 'errors', atMost: 0 },
      { figure: 'all_active_s', atMost: 5 },
    ],
  },
  {
    name: 'api',
    summary: 'Readings: list, detail, show, flavors, hypervisors, each alone at several concurrencies.',
    work: { kind: 'api', servers: 300, concurrencies: [1, 8, 64], seconds: 5, timeLimitSeconds: 10 * minutes },
    small: { servers: 5, concurrencies: [1, 4], seconds: 0.2, timeLimitSeconds: 40 },
    targets: [
      { figure: 'errors', atMost: 0 },
      { figure: 'detail_100_c1_p50_ms', atMost: 6 },
      { figure: 'detail_100_c8_per_s', atLeast: 300 },
      { figure: 'show_c1_p50_ms', atMost: 2 },
      { figure: 'show_c8_per_s', atLeast: 1_200 },
    ],
  },
  {
    name: 'large',
    summary: 'A cloud of 100,000 servers ("kilonova db seed"): long lists, single servers and creates at the same time.',
    work: { ...largeWork, concurrency: 8, listEveryMs: 0, createEveryMs: 0 },
    small: smallLarge,
    targets: largeTargets,
  },
  {
    name: 'large-steady',
    summary: 'The same with ten long lists and ten creates a second, which leave the cores some room.',
    work: { ...largeWork, concurrency: 1, listEveryMs: 200, createEveryMs: 100 },
    small: smallLarge,
    targets: largeTargets,
  },
  {
    name: 'scheduler',
    summary: 'Placements on 5,000 hosts: an availability zone and the extra specs of a flavor.',
    work: { kind: 'scheduler', hosts: 5_000, mix: 'plain', seconds: 10, timeLimitSeconds: 2 * minutes },
    small: { hosts: 100, seconds: 0.3 },
    targets: [
      { figure: 'not_placed', atMost: 0 },
      { figure: 'placements_per_s', atLeast: 5_000 },
    ],
  },
  {
    name: 'scheduler-large',
    summary: 'The same on 100,000 hosts, with the load of so large a snapshot.',
    work: { kind: 'scheduler', hosts: 100_000, mix: 'plain', seconds: 10, timeLimitSeconds: 5 * minutes },
    small: { hosts: 200, seconds: 0.3 },
    targets: [
      { figure: 'not_placed', atMost: 0 },
      { figure: 'placements_per_s', atLeast: 1_000 },
      { figure: 'load_s', atMost: 5 },
      { figure: 'snapshot_mb', atMost: 300 },
    ],
  },
  {
    name: 'scheduler-anti-affinity',
    summary: 'Placements on 5,000 hosts for members of anti-affinity groups.',
    work: { kind: 'scheduler', hosts: 5_000, mix: 'anti-affinity', seconds: 10, timeLimitSeconds: 2 * minutes },
    small: { hosts: 100, seconds: 0.3 },
    targets: [
      { figure: 'not_placed', atMost: 0 },
      { figure: 'placements_per_s', atLeast: 600 },
    ],
  },
  {
    name: 'scheduler-varied',
    summary: 'Placements on 5,000 hosts of many kinds of requests: flavors, zones, capabilities, groups, none of it in order.',
    work: { kind: 'scheduler', hosts: 5_000, mix: 'varied', seconds: 10, timeLimitSeconds: 2 * minutes },
    small: { hosts: 100, seconds: 0.3 },
    targets: [{ figure: 'not_placed', atMost: 0 }],
  },
  {
    name: 'machine',
    summary: 'What the broker does by plain amqplib, and the database by statements by hand, to see the other figures beside it.',
    work: { kind: 'machine', concurrency: 32, seconds: 3, timeLimitSeconds: 1 * minutes },
    small: { concurrency: 4, seconds: 0.2 },
    targets: [{ figure: 'errors', atMost: 0 }],
  },
  {
    name: 'idle',
    summary: 'The watched processes at rest: their memory and their CPU.',
    work: { kind: 'idle', seconds: 20, timeLimitSeconds: 2 * minutes },
    small: { seconds: 0.2 },
    targets: [{ figure: 'services_mb', atMost: 800 }],
  },
  {
    name: 'first',
    summary: 'The time until a cloud that is started together with this command has its first server ACTIVE.',
    work: { kind: 'first', tickMs: 20, timeLimitSeconds: 2 * minutes },
    small: { timeLimitSeconds: 40 },
    targets: [{ figure: 'first_active_s', atMost: 6 }],
  },
  {
    name: 'agents',
    summary: 'Agents with a connection each: what they cost at rest, and how they come back when all connections are cut.',
    work: {
      ...{ kind: 'agents', agents: 10_000, heartbeatMs: 20_000, settleSeconds: 150, seconds: 30, concurrency: 256 },
      timeLimitSeconds: 15 * minutes,
    },
    small: { agents: 5, heartbeatMs: 200, settleSeconds: 0, seconds: 1, concurrency: 4, timeLimitSeconds: 40 },
    targets: [
      { figure: 'errors', atMost: 0 },
      { figure: 'idle_cores', atMost: 0.5 },
      { figure: 'reconnect_s', atMost: 60, or: { figure: 'reconnect_vs_raw', atMost: 1.5 } },
    ],
  },
];
