// What a fault must not leave behind: at the broker, and in this process.
import { getEventListeners } from 'node:events';

/** What is there at one moment. */
export interface Footprint {
  readonly queues: number;
  readonly consumers: number;
  readonly connections: number;
  readonly channels: number;
  readonly timers: number;
  readonly sockets: number;
  /** Of the signal that was given. */
  readonly listeners: number;
}

/** `rabbitmqctl` of a broker that nobody else uses meanwhile. */
export interface Inspectable {
  ctl(args: readonly string[]): Promise<string>;
}

const COUNTS = `{length(rabbit_amqqueue:list()), length([1 || V <- rabbit_vhost:list_names(), _ <- rabbit_amqqueue:consumers_all(V)]),
  length(rabbit_networking:connections()), length(rabbit_channel:list())}.`;
const WITHIN_MS = 20_000;

/** Counted now. `signal`: one that was given to calls. */
export async function footprint(broker: Inspectable, signal?: AbortSignal): Promise<Footprint> {
  const answer = await broker.ctl(['eval', COUNTS]);
  const [queues = Number.NaN, consumers = Number.NaN, connections = Number.NaN, channels = Number.NaN] = (answer.match(/\d+/g) ?? []).map(
    Number,
  );
  const resources = process.getActiveResourcesInfo();
  const count = (name: string) => resources.filter((one) => one === name).length;
  const listeners = signal === undefined ? 0 : getEventListeners(signal, 'abort').length;
  return { queues, consumers, connections, channels, timers: count('Timeout'), sockets: count('TCPSocketWrap'), listeners };
}

/** Settles when nothing is more than it was. @throws with what stayed */
export async function nothingLeft(broker: Inspectable, before: Footprint, signal?: AbortSignal): Promise<void> {
  const end = performance.now() + WITHIN_MS;
  for (;;) {
    const now = await footprint(broker, signal);
    const left = Object.entries(now).filter(([name, value]) => !(value <= before[name as keyof Footprint]));
    if (left.length === 0) return;
    if (performance.now() > end)
      throw new Error(
        `left behind: ${left.map(([name, value]) => `${name} ${value}, before ${before[name as keyof Footprint]}`).join('; ')}`,
      );
  }
}
