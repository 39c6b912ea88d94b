import { MAJOR, MINOR, minorOf } from '@kilonova/objects';

/**
 * Which versions were seen of each kind of service, and when. Two services of a kind on one machine share a row, in which they
 * take turns: so a version counts as long as a service may be silent, whatever stands in the row meanwhile.
 */
export class Sightings {
  /** By binary and minor: when it was seen last. */
  readonly #seen = new Map<string, Map<number, number>>();
  readonly #keptMs: number;

  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  /** Of another major, or no version at all: nothing can be said to such a peer, and nothing follows from it. */
  note(binary: string, version: string, at: number): void {
    const minor = minorOf(version);
    if (minor === undefined || minor > MINOR) return;
    const minors = this.#seen.get(binary) ?? new Map<number, number>();
    this.#seen.set(binary, minors);
    minors.set(minor, Math.max(at, minors.get(minor) ?? Number.NEGATIVE_INFINITY));
  }

  /** The oldest that was seen lately, MAJOR.MINOR; our own where none was. */
  oldest(binary: string, now: number): string {
    const minors = [...(this.#seen.get(binary) ?? [])].filter(([, at]) => now - at < this.#keptMs).map(([minor]) => minor);
    return `${MAJOR}.${Math.min(MINOR, ...minors)}`;
  }
}
