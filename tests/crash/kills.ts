import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '@kilonova/runtime';
import { killBroker, startBroker } from '../support/broker.ts';
import type { Cloud, Member } from '../support/cloud.ts';
import { eventually } from '../support/eventually.ts';

/** Where tasks stood when a process was killed. */
export class Moments {
  readonly byVictim = new Map<string, number>();
  readonly byStep = new Map<string, number>();
  inFlight = 0;
  kills = 0;

  note(victim: string, steps: readonly string[]): void {
    this.kills += 1;
    if (steps.length > 0) this.inFlight += 1;
    this.byVictim.set(victim, (this.byVictim.get(victim) ?? 0) + 1);
    for (const step of new Set(steps)) this.byStep.set(step, (this.byStep.get(step) ?? 0) + 1);
  }

  toString(): string {
    const rows = (map: ReadonlyMap<string, number>) =>
      [...map].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `  ${name.padEnd(44)} ${count}`);
    return [
      `${this.kills} kills, ${this.inFlight} with tasks in flight`,
      ...rows(this.byVictim),
      'tasks stood at:',
      ...rows(this.byStep),
    ].join('\n');
  }
}

/** kind/state/step of every live task at this moment. */
async function liveSteps(cloud: Cloud): Promise<readonly string[]> {
  const rows = await cloud.database.query<{ at: string }>(
    `select kind || ' ' || state || ' step ' || step as at from tasks where state in ('running', 'parked', 'unwinding')`,
  );
  return rows.map(({ at }) => at);
}

/** Looks for a moment that was hit less than others, for a bounded number of looks; any moment with a live task will do. */
async function awaitMoment(cloud: Cloud, moments: Moments): Promise<readonly string[]> {
  const rarest = Math.min(...moments.byStep.values(), Infinity);
  let steps: readonly string[] = [];
  for (let look = 0; look < 25; look += 1) {
    const seen = await liveSteps(cloud);
    if (seen.length > 0) steps = seen;
    if (seen.some((step) => (moments.byStep.get(step) ?? 0) <= rarest)) return seen;
  }
  if (steps.length > 0) return steps;
  return eventually(
    () => liveSteps(cloud),
    (seen) => seen.length > 0,
    { timeoutMs: 60_000, everyMs: 5, what: 'a task in flight' },
  );
}

/** One kill -9 with tasks in flight, a moment without the victim, and its return. */
export async function killOne(cloud: Cloud, random: Random, moments: Moments): Promise<void> {
  const victims: (Member | 'broker')[] = [
    ...cloud.of('conductor'),
    ...cloud.of('conductor'),
    ...cloud.of('scheduler'),
    ...cloud.of('compute'),
  ];
  const victim = random.next() < 0.05 ? 'broker' : victims[Math.floor(random.next() * victims.length)]!;
  const steps = await awaitMoment(cloud, moments);
  if (victim === 'broker') {
    moments.note('broker', steps);
    await killBroker();
    await pause(Math.floor(random.next() * 1_000));
    await startBroker();
    return;
  }
  moments.note(victim.role, steps);
  await cloud.kill(victim);
  await pause(Math.floor(random.next() * 1_500));
  await cloud.revive(victim);
}
