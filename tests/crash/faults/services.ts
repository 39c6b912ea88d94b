import { setTimeout as pause } from 'node:timers/promises';
import { brokerctl, killBroker, startBroker } from '../../support/broker.ts';
import { between, type FaultKind, type FaultScene, Turn } from './fault.ts';

const broker = new Turn();
const database = new Turn();

const brokerRestarted: FaultKind = {
  name: 'broker restart',
  inflict: (scene) =>
    broker.take(async () => {
      await killBroker();
      await pause(between(scene, 0, 1_000));
      await startBroker();
      return 'broker';
    }),
};

const queueDeleted: FaultKind = {
  name: 'queue deletion',
  inflict: (scene) =>
    broker.take(async () => {
      const names = await queuesOf(scene);
      const name = names[Math.floor(scene.random.next() * names.length)];
      if (name === undefined) return undefined;
      await brokerctl(['delete_queue', name]).catch((error: unknown) => {
        if (!String(error).includes('not_found')) throw error; // gone meanwhile, with its process
      });
      return kindOf(name, scene.cloud.namespace);
    }),
};

/** Without those of events, which nobody here listens to. */
async function queuesOf({ cloud }: FaultScene): Promise<readonly string[]> {
  const listed = await brokerctl(['list_queues', 'name', '--silent', '--no-table-headers']);
  return listed
    .split('\n')
    .filter((name) => name.startsWith(`${cloud.namespace}.`))
    .toSorted();
}

/** The role of a queue without the ids of processes. */
const kindOf = (name: string, namespace: string) => `queue ${name.slice(namespace.length + 1).replaceAll(/[0-9a-f]{8,}[0-9a-f-]*/g, '*')}`;

const databaseRestarted: FaultKind = {
  name: 'database restart',
  inflict: (scene) =>
    database.take(async () => {
      const how = scene.random.next() < 0.6 ? 'immediate' : 'fast';
      await scene.server.end(how);
      await pause(between(scene, 0, 1_500));
      await scene.server.start();
      return `database, ${how}`;
    }),
};

export const serviceFaults: readonly FaultKind[] = [brokerRestarted, queueDeleted, databaseRestarted];
