import { integer, mapping, section, type SectionValues } from '@kilonova/runtime';
import { parseFaults, type FaultRule } from './faults.ts';

/** What a host offers that differs from the section's values. */
export interface Capacity {
  readonly vcpus?: number;
  readonly memory_mb?: number;
  readonly disk_gb?: number;
}

const CAPACITIES = ['vcpus', 'memory_mb', 'disk_gb'];

/** The verbs of the driver, as latency and fault rules name them. */
export const fakeVerbs = [
  'spawn',
  'start',
  'stop',
  'reboot',
  'remove',
  'list',
  'inventory',
  'prepareIncoming',
  'migrateOut',
  'finishIncoming',
  'takeBack',
] as const;
export type FakeVerb = (typeof fakeVerbs)[number];

function parseLatencies(value: object): Readonly<Record<string, number>> {
  for (const [verb, ms] of Object.entries(value)) {
    if (!fakeVerbs.some((known) => known === verb)) throw new Error(`${verb}: expected one of ${fakeVerbs.join(', ')}`);
    if (typeof ms !== 'number' || !(ms >= 0 && ms <= 3_600_000))
      throw new Error(`${verb}: expected milliseconds from 0 to 3600000, found ${JSON.stringify(ms)}`);
  }
  return value as Readonly<Record<string, number>>;
}

function parseCapacities(value: object): Readonly<Record<string, Capacity>> {
  for (const [host, capacity] of Object.entries(value)) {
    if (typeof capacity !== 'object' || capacity === null) throw new Error(`${host}: expected a mapping of ${CAPACITIES.join(', ')}`);
    for (const [key, amount] of Object.entries(capacity)) {
      if (!CAPACITIES.includes(key)) throw new Error(`${host}.${key}: expected one of ${CAPACITIES.join(', ')}`);
      if (!Number.isSafeInteger(amount) || (amount as number) < 0)
        throw new Error(`${host}.${key}: expected a whole number from 0, found ${JSON.stringify(amount)}`);
    }
  }
  return value as Readonly<Record<string, Capacity>>;
}

/** The fake hypervisor. Hosts are matched by patterns in which `*` stands for any text; the first match counts. */
export const fakeSection = section('fake', {
  vcpus: integer(64, { min: 1, max: 1_000_000, help: 'Virtual CPUs of a fake host.' }),
  memoryMb: integer(262_144, { min: 1, max: 1_000_000_000, help: 'Memory of a fake host, MiB.' }),
  diskGb: integer(4_096, { min: 1, max: 1_000_000_000, help: 'Disk of a fake host, GiB.' }),
  capacity: mapping<Readonly<Record<string, Capacity>>>(
    {},
    { help: 'Hosts that differ, by pattern: { "big-*": { vcpus: 128, memory_mb: 524288, disk_gb: 8192 } }.' },
    parseCapacities,
  ),
  latencyMs: mapping<Readonly<Record<string, number>>>(
    {},
    { help: `How long verbs take, milliseconds: { spawn: 200 }. Verbs: ${fakeVerbs.join(', ')}.` },
    parseLatencies,
  ),
  faults: mapping<Readonly<Record<string, FaultRule>>>(
    {},
    {
      help: 'Rules by any name: { rule: { host: "host-1", verb: spawn, effect: fail, probability: 0.1, count: 3, message: text } }. Effects: fail (before anything happens), fail-after (done, but says it failed), hang (until aborted), wedge (for ever), delay (by `ms`).',
    },
    parseFaults,
  ),
  progressMs: integer(200, { min: 1, max: 60_000, help: 'Between two times that a live migration tells how far it is; milliseconds.' }),
  controlPollMs: integer(100, {
    min: 1,
    max: 60_000,
    help: 'How old the reading of fake-control.json (fault rules changed while the agent runs) may be; milliseconds.',
  }),
});

export type FakeConfig = SectionValues<typeof fakeSection>;
