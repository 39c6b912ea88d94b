/** How many samples of errors a result shows. */
const SAMPLES = 5;

/** Counts what went wrong and keeps the first few words of it. */
export class ErrorTally {
  count = 0;
  readonly samples: string[] = [];

  add(error: unknown): void {
    this.count += 1;
    if (this.samples.length < SAMPLES) this.samples.push((error instanceof Error ? error.message : String(error)).slice(0, 300));
  }
}
