/** Rounds of the event loop without anything new before all that was woken counts as done. */
const ROUNDS = 3;

/** Tells when everything that was woken has gone on as far as it can without time, answers or the world outside. */
export class Quiet {
  #stirs = 0;

  /** Something began: a message, a timer, a statement. */
  stir(): void {
    this.#stirs += 1;
  }

  async settled(): Promise<void> {
    for (let still = 0, seen = this.#stirs; still < ROUNDS; still = seen === this.#stirs ? still + 1 : 0) {
      seen = this.#stirs;
      await new Promise<void>((settle) => setImmediate(settle));
    }
  }
}
