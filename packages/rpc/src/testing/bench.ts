import type { Environment, RpcCounter, RpcLabels, RpcMetrics, Transport, TransportLimits } from '../index.ts';

/** One broker, as the suite needs it. */
export interface Bench {
  connect(service: string, id: string, options?: Partial<TransportLimits> & Partial<Environment>): Promise<Transport>;
  /** Whether the reply queue of a process goes with it; else it lives on for a while, and takes what nobody reads. */
  readonly repliesVanish: boolean;
  /** After this it is known that a server has left. */
  readonly noticeMs: number;
  /** Why messages were put aside, the oldest first. */
  deadReasons(): Promise<readonly string[]>;
  /** Breaks the connection of everyone. */
  cut(): void;
  /** Lets them connect again. */
  restore(): void;
  /** Ends it with all its connections. */
  close(): Promise<void>;
}

/** Waits for something that will be so. */
export async function eventually(holds: () => boolean, withinMs = 5_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`did not become true within ${withinMs} ms: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Keeps what was counted. */
export function tally(): RpcMetrics & { counted(counter: RpcCounter, labels?: RpcLabels): number } {
  const counts: { readonly counter: RpcCounter; readonly labels: RpcLabels }[] = [];
  return {
    count: (counter, labels) => void counts.push({ counter, labels }),
    duration: () => undefined,
    counted: (counter, labels = {}) =>
      counts.filter((one) => one.counter === counter && Object.entries(labels).every(([name, value]) => one.labels[name] === value)).length,
  };
}
