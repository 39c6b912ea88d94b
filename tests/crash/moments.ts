import { setTimeout as pause } from 'node:timers/promises';
import type { Cloud } from '../support/cloud.ts';

const LOOKS = 25;
const LOOK_MS = 10;

/** Where tasks stood when a fault began: moments that a kind of fault hit rarely are preferred. */
export class Moments {
  readonly #cloud: Cloud;
  readonly #byKindAndStep = new Map<string, number>();
  readonly #byStep = new Map<string, number>();

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  /** Waits, for a bounded number of looks, for tasks at a step that this kind hit least often. */
  async await(kind: string): Promise<void> {
    const counts = () => [...this.#byStep.keys()].map((step) => this.#byKindAndStep.get(`${kind}: ${step}`) ?? 0);
    let steps: readonly string[] = [];
    for (let look = 0; look < LOOKS; look += 1) {
      const seen = await this.#liveSteps();
      if (seen.length > 0) steps = seen;
      for (const step of seen) if (!this.#byStep.has(step)) this.#byStep.set(step, 0);
      const rarest = Math.min(...counts(), Infinity);
      if (seen.some((step) => (this.#byKindAndStep.get(`${kind}: ${step}`) ?? 0) <= rarest)) break;
      await pause(LOOK_MS);
    }
    for (const step of new Set(steps)) {
      this.#byStep.set(step, (this.#byStep.get(step) ?? 0) + 1);
      this.#byKindAndStep.set(`${kind}: ${step}`, (this.#byKindAndStep.get(`${kind}: ${step}`) ?? 0) + 1);
    }
  }

  /** kind, state and step of every live task. */
  async #liveSteps(): Promise<readonly string[]> {
    try {
      const rows = await this.#cloud.database.query<{ at: string }>(
        `select kind || ' ' || state || ' step ' || step as at from tasks where state in ('running', 'parked', 'unwinding')`,
      );
      return rows.map(({ at }) => at);
    } catch {
      return []; // the database is away
    }
  }

  toString(): string {
    const rows = [...this.#byStep].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([step, count]) => `  ${step.padEnd(44)} ${count}`);
    return ['faults began with tasks at:', ...rows].join('\n');
  }
}
