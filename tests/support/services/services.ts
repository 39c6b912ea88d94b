import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Broker } from './broker.ts';
import { serveBrokerControl } from './broker-control.ts';
import { findBroker } from './find-broker.ts';
import { findDatabase } from './find-database.ts';

export interface ServicesOptions {
  readonly say: (line: string) => void;
  /** Aborted: what has started is stopped and the start fails with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface Services {
  /** What tests read: KILONOVA_TEST_AMQP_URL, KILONOVA_TEST_BROKER_CONTROL, KILONOVA_TEST_PG_URL. */
  readonly env: Readonly<Record<string, string>>;
  readonly broker: Broker;
  stop(): Promise<void>;
}

/** A real RabbitMQ and a real PostgreSQL, from the environment's addresses or made here and ended by `stop`. */
export async function startServices({ say, signal }: ServicesOptions): Promise<Services> {
  const dir = mkdtempSync(join(tmpdir(), 'kilonova-test-'));
  chmodSync(dir, 0o711); // PostgreSQL may run under another account and must be able to pass
  const undo: (() => void | Promise<void>)[] = [() => rmSync(dir, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const broker = await timed(say, 'RabbitMQ', () => findBroker({ dir: join(dir, 'broker'), say }));
    undo.push(() => broker.stop());
    signal?.throwIfAborted();
    const database = await timed(say, 'PostgreSQL', () => findDatabase({ dir, say }));
    undo.push(() => database.stop());
    signal?.throwIfAborted();
    const control = await serveBrokerControl(broker, join(dir, 'broker', 'control'));
    undo.push(() => control.stop());
    const env = { KILONOVA_TEST_AMQP_URL: broker.url, KILONOVA_TEST_BROKER_CONTROL: control.path, KILONOVA_TEST_PG_URL: database.url };
    return { env, broker, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function timed<T extends { readonly how: string }>(say: (line: string) => void, what: string, start: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const started = await start();
  say(`${what}: ${started.how} (${((performance.now() - began) / 1_000).toFixed(1)} s)`);
  return started;
}
