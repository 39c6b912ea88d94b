/** One thing to measure. */
export interface Cell {
  readonly op: 'call' | 'cast';
  /** `quorum` also means publisher confirms at the sender, where the peer has them. */
  readonly queue: 'classic' | 'quorum';
  readonly bytes: number;
  /** Messages in flight. */
  readonly concurrency: number;
  readonly milliseconds: number;
}

/** What a client process says after a cell. */
export interface Sent {
  readonly count: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
}

/** What a server process says when asked. */
export interface Handled {
  readonly count: number;
  readonly cpuUs: number;
}
