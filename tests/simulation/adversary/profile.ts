import type { FakeConfig } from '@kilonova/compute';
import type { ConductorConfig, QuotaConfig } from '@kilonova/conductor';
import type { Random } from '@kilonova/runtime';

/** What goes wrong in one simulation, and how often. */
export interface Profile {
  readonly conductors: number;
  readonly schedulers: number;
  readonly hosts: number;
  readonly users: number;
  /** Longest pause of a user between two requests; milliseconds. */
  readonly pauseMs: number;
  /** How long things go wrong; milliseconds. */
  readonly chaosMs: number;
  /** Shares of messages. */
  readonly lose: number;
  readonly double: number;
  readonly delay: number;
  readonly delayMs: number;
  /** Per step of a process (a statement, a message, a record of a journal); those that take fewer steps die more easily. */
  readonly crash: number;
  /** Per statement: its connection breaks right before or right after. */
  readonly broken: number;
  /** Mean time between two of them; milliseconds. */
  readonly partitionEveryMs: number;
  readonly pauseEveryMs: number;
  readonly outageEveryMs: number;
  readonly hostLossEveryMs: number;
  readonly skewMs: number;
  readonly fake: Partial<FakeConfig>;
  readonly conductor: Partial<ConductorConfig>;
  readonly quota: Partial<QuotaConfig>;
}

/** Some simulations are rough in every way, most in a few: what several faults hide, one alone shows. */
export function drawProfile(random: Random): Profile {
  const between = (least: number, most: number) => least + random.next() * (most - least);
  const whole = (least: number, most: number) => Math.floor(between(least, most + 1));
  const sometimes = (share: number, value: () => number) => (random.next() < share ? value() : 0);
  const faults: Record<string, NonNullable<FakeConfig['faults'][string]>> = {};
  if (random.next() < 0.5) faults['fails'] = { effect: random.next() < 0.5 ? 'fail' : 'fail-after', probability: between(0.02, 0.15) };
  if (random.next() < 0.4) faults['slow'] = { effect: 'delay', ms: whole(500, 20_000), probability: between(0.02, 0.15) };
  if (random.next() < 0.25) faults['hangs'] = { effect: 'hang', probability: between(0.005, 0.03) };
  return {
    conductors: whole(1, 3),
    schedulers: whole(1, 2),
    hosts: whole(3, 5),
    users: whole(2, 4),
    pauseMs: whole(1_500, 6_000),
    chaosMs: whole(60_000, 150_000),
    lose: sometimes(0.6, () => between(0.002, 0.06)),
    double: sometimes(0.6, () => between(0.01, 0.2)),
    delay: sometimes(0.6, () => between(0.05, 0.6)),
    // Some come so late that what they ask for was taken back long ago.
    delayMs: random.next() < 0.25 ? between(5_000, 60_000) : between(20, 3_000),
    crash: sometimes(0.7, () => between(0.0002, 0.004)),
    broken: sometimes(0.5, () => between(0.0005, 0.01)),
    partitionEveryMs: sometimes(0.5, () => between(8_000, 40_000)),
    pauseEveryMs: sometimes(0.4, () => between(10_000, 40_000)),
    outageEveryMs: sometimes(0.3, () => between(20_000, 60_000)),
    hostLossEveryMs: sometimes(0.4, () => between(20_000, 60_000)),
    skewMs: sometimes(0.4, () => between(1_000, 3_600_000)),
    fake: {
      latencyMs: Object.fromEntries(VERBS.map((verb) => [verb, whole(1, 1_500)])),
      faults,
      // So little room that requests get in each other's way.
      vcpus: whole(4, 16),
    },
    conductor: {
      cpuRatio: 1,
      resizeConfirmWindowS: sometimes(0.4, () => whole(5, 60)),
      allowResizeToSameHost: random.next() < 0.4,
    },
    quota: { instances: whole(8, 40), cores: whole(12, 80) },
  };
}

const VERBS = ['spawn', 'start', 'stop', 'reboot', 'remove', 'prepareIncoming', 'migrateOut', 'finishIncoming', 'takeBack'] as const;
