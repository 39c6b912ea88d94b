import type { Field } from '../field.ts';
import type { Session } from '../workload/session.ts';

/** What a fault acts on. */
export interface FaultScene extends Field {
  /** For what has to be asked of the api. */
  readonly session: Session;
}

/** A kind of thing that goes wrong, and comes right again by the time it settles. */
export interface FaultKind {
  readonly name: string;
  /** @returns who it hit; undefined when nobody was free for it, and nothing was done */
  inflict(scene: FaultScene): Promise<string | undefined>;
}

/** Milliseconds from `least` to `most`. */
export const between = ({ random }: Pick<Field, 'random'>, least: number, most: number): number =>
  Math.floor(least + random.next() * (most - least));

/** Something shared that only one fault at a time may treat badly. */
export class Turn {
  #busy = false;

  /** One at a time; undefined when it is somebody's. */
  async take<T>(act: () => Promise<T>): Promise<T | undefined> {
    if (this.#busy) return undefined;
    this.#busy = true;
    try {
      return await act();
    } finally {
      this.#busy = false;
    }
  }
}
