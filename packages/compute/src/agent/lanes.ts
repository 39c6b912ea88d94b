type Job = () => Promise<void>;

/** Jobs with the same key run one after another in order of arrival; different keys side by side, up to a limit. */
export class Lanes {
  readonly #limit: number;
  /** The first job of a lane is running, or its key is in `#ready`. */
  readonly #lanes = new Map<string, Job[]>();
  readonly #ready: string[] = [];
  #running = 0;
  #size = 0;
  #open = true;
  #idle: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Jobs that wait or run. */
  get size(): number {
    return this.#size;
  }

  /** Settles when nothing runs any more (and nothing waits, unless closed). */
  async idle(): Promise<void> {
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Begins no further job. */
  close(): void {
    this.#open = false;
  }

  /** A job must not reject. */
  add(key: string, job: Job): void {
    this.#size += 1;
    const lane = this.#lanes.get(key);
    if (lane !== undefined) {
      lane.push(job);
      return;
    }
    this.#lanes.set(key, [job]);
    this.#ready.push(key);
    this.#begin();
  }

  #begin(): void {
    while (this.#open && this.#running < this.#limit) {
      const key = this.#ready.shift();
      if (key === undefined) break;
      this.#running += 1;
      void this.#run(key);
    }
    if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #run(key: string): Promise<void> {
    const lane = this.#lanes.get(key)!;
    try {
      await lane[0]!();
    } finally {
      lane.shift();
      this.#size -= 1;
      this.#running -= 1;
      if (lane.length === 0) this.#lanes.delete(key);
      else this.#ready.push(key);
      this.#begin();
    }
  }
}
