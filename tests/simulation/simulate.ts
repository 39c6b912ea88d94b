import { seededRandom } from '@kilonova/runtime';
import { Adversary, type FaultKind } from './adversary/adversary.ts';
import { drawProfile } from './adversary/profile.ts';
import type { Template } from './database/fresh.ts';
import { Oracle } from './oracle/always.ts';
import { leftOver, underWay } from './oracle/final.ts';
import { Client } from './world/client.ts';
import { Users } from './world/users.ts';
import { World } from './world/world.ts';

/** Virtual time between two looks of the oracle. */
const LOOK_MS = 1_000;
/** Longest deadline of a task, with what may follow it, and a half minute. */
const SETTLE_MS = 600_000;
/** Two rounds of the hosts' reports of their domains: then a power state is believed. */
const BELIEVED_MS = 60_000;

export interface Outcome {
  readonly seed: number;
  /** What should not have been. */
  readonly violations: readonly string[];
  /** Of all events; the same for the same seed. */
  readonly digest: string;
  readonly events: number;
  readonly statements: number;
  readonly looks: number;
  readonly virtualMs: number;
  readonly realMs: number;
  readonly asked: Users['asked'];
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** Tasks that there were. */
  readonly kinds: readonly string[];
  /** The last events. */
  readonly tail: readonly string[];
}

/** One whole simulation: a control plane, its users, what goes wrong, and what must hold all the same. */
export async function simulate(template: Template, seed: number, tell?: (line: string) => void): Promise<Outcome> {
  const began = performance.now();
  const random = seededRandom(seed);
  const profile = drawProfile(random);
  const { conductors, schedulers, hosts, skewMs, fake, conductor, quota } = profile;
  const world = await World.make(template, {
    ...{ seed: Math.floor(random.next() * 2 ** 32), conductors, schedulers, hosts, skewMs, fake, conductor, quota },
    ...(tell !== undefined && { tell }),
  });
  world.trace.note('world', JSON.stringify(profile));
  const oracle = new Oracle(world);
  const users = new Users(world, profile);
  const adversary = new Adversary(world, profile);
  const violations: string[] = [];
  let calmSinceMs = Infinity;
  let kinds: readonly string[] = [];
  try {
    await world.start();
    const administrator = new Client(world, 'administrator', 'admin');
    await world.clock.until(administrator.makeFlavors());
    await world.clock.until(administrator.hostsUp(hosts));
    await world.clock.advance(1_000);

    users.start();
    adversary.start();
    for (let ms = 0; ms < profile.chaosMs; ms += LOOK_MS) await watched(LOOK_MS);
    await world.clock.until(adversary.stop());
    calmSinceMs = world.clock.monotonic();
    await world.clock.until(users.stop());
    for (let ms = 0; ms < SETTLE_MS && (await underWay(world)).length > 0; ms += 5 * LOOK_MS) await watched(5 * LOOK_MS);
    violations.push(...(await underWay(world)).map((what) => `still under way: ${what}`));
    await watched(BELIEVED_MS);
    violations.push(...(await leftOver(world, users)));
    kinds = (await world.observer.rows<{ kind: string }>('select distinct kind from tasks order by kind')).map(({ kind }) => kind);
  } catch (error) {
    violations.push(`the simulation broke: ${(error as Error).stack}`);
  } finally {
    violations.push(...oracle.violations, ...users.wrong);
    await oracle.end();
    await world.end();
  }
  return {
    ...{ seed, violations, digest: world.trace.digest, events: world.trace.events, statements: world.turns.done, looks: oracle.looks },
    ...{ virtualMs: world.clock.monotonic(), realMs: performance.now() - began, asked: users.asked },
    ...{ faults: adversary.counts, kinds, tail: world.trace.tail },
  };

  async function watched(ms: number): Promise<void> {
    await world.clock.advance(ms);
    await oracle.look(calmSinceMs);
  }
}
