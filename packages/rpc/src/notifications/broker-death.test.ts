import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installedRabbitmq, PrivateBroker } from '../../../../tests/support/services/private-broker.ts';
import { connectAmqp, consumeEvents, createPublisher, RpcError } from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { change, events } from '../testing/things.ts';

describe.skipIf(installedRabbitmq() === undefined)('with a RabbitMQ of its own (skipped where none is installed)', () => {
  let broker: PrivateBroker;
  let dir = '';

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'kilonova-rpc-events-'));
    broker = await PrivateBroker.start(dir);
  }, 120_000);
  afterAll(async () => {
    await broker.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test.each([
    { queues: 'classic', end: 'killed' },
    // Seen with RabbitMQ 3.10.8: a quorum queue on a single node that is killed soon after the queue was declared confirms
    // nothing when the node is back. Quorum queues are for clusters, where other nodes have them.
    { queues: 'quorum', end: 'stopped' },
  ] as const)(
    'events that were confirmed on $queues queues outlive a broker that is $end, with none of the group there',
    { timeout: 120_000 },
    async ({ queues, end }) => {
      const settings = { url: broker.url, namespace: `death-${queues}`, queues, retryBaseMs: 10, retryCapMs: 100 };
      const publishing = await connectAmqp({ ...settings, service: 'near', id: '1', connectWaitMs: 100 });
      const consuming = await connectAmqp({ ...settings, service: 'far', id: '1' });
      const consumer = await consumeEvents(consuming, events, {}, { group: 'audit' });
      await consumer.stop();
      const publisher = createPublisher(publishing, events);
      const confirmed: string[] = [];
      const failures: unknown[] = [];
      let running = true;
      const publish = async () => {
        for (let n = 0; running; n++) {
          try {
            confirmed.push(await publisher.publish('thing.changed', change(String(n))));
          } catch (error) {
            failures.push(error);
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        }
      };
      const loops = Promise.all([publish(), publish(), publish(), publish()]);
      await eventually(() => confirmed.length > 200, 20_000);
      await (end === 'killed' ? broker.kill() : broker.stop());
      await eventually(() => failures.length > 0, 20_000);
      const before = confirmed.length;
      await broker.start();
      await eventually(() => confirmed.length > before + 50, 30_000);
      running = false;
      await loops;
      expect(failures.every((error) => error instanceof RpcError)).toBe(true);
      const seen = new Set<string>();
      await consumeEvents(consuming, events, { 'thing.changed': ({ id }) => void seen.add(id) }, { group: 'audit' });
      await eventually(() => confirmed.every((id) => seen.has(id)), 30_000);
      await Promise.all([publishing.close(), consuming.close()]);
    },
  );
});
