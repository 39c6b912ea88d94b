import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '@kilonova/runtime';
import type { FaultKind, FaultScene } from './faults/fault.ts';
import type { FaultWindow } from './fault-windows.ts';
import type { Moments } from './moments.ts';

const AT_ONCE = 3;
const LONGEST_PAUSE_MS = 1_200;

/** Inflicts faults, and remembers them. */
export class FaultPlan {
  readonly windows: FaultWindow[] = [];
  readonly #scene: FaultScene;
  readonly #moments: Moments;
  readonly #random: Random;

  constructor(scene: FaultScene, moments: Moments, random: Random) {
    this.#scene = scene;
    this.#moments = moments;
    this.#random = random;
  }

  /** At a moment that its kind hit rarely. Undefined when there was nobody to hit. */
  async inflict(kind: FaultKind): Promise<FaultWindow | undefined> {
    await this.#moments.await(kind.name);
    const beganAt = Date.now();
    const victim = await kind.inflict(this.#scene);
    if (victim === undefined) return undefined;
    const window = { kind: kind.name, victim, beganAt, endedAt: Date.now() };
    this.windows.push(window);
    return window;
  }

  /** Every kind once, alone, in an order of its own. */
  async oneByOne(kinds: readonly FaultKind[], after: (window: FaultWindow) => Promise<void>): Promise<void> {
    for (const kind of shuffled(kinds, this.#random)) {
      const window = await this.inflict(kind);
      if (window !== undefined) await after(window);
    }
  }

  /** So many, up to three of them at the same time. */
  async together(kinds: readonly FaultKind[], count: number): Promise<void> {
    let left = count;
    const strand = async () => {
      while (left-- > 0) {
        await this.inflict(kinds[Math.floor(this.#random.next() * kinds.length)]!);
        await pause(Math.floor(this.#random.next() * LONGEST_PAUSE_MS));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, strand));
  }
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  const rest = [...items];
  return items.map(() => rest.splice(Math.floor(random.next() * rest.length), 1)[0]!);
}
