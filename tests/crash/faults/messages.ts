import { setTimeout as pause } from 'node:timers/promises';
import { copyMessages } from '../../support/faults/copied-messages.ts';
import { between, type FaultKind, Turn } from './fault.ts';

const trace = new Turn();

const copied: FaultKind = {
  name: 'duplicated messages',
  inflict: (scene) =>
    trace.take(async () => {
      const copies = await copyMessages({
        namespace: scene.cloud.namespace,
        random: () => scene.random.next(),
        probability: 0.1 + 0.4 * scene.random.next(),
        lateMs: 3_000,
      }).catch(() => undefined); // the broker is away
      if (copies === undefined) return undefined;
      await pause(between(scene, 1_000, 3_000));
      await copies.stop();
      return 'all messages';
    }),
};

/** On the way to every process at once: a report overtakes another one, a removal its spawn. */
const reordered: FaultKind = {
  name: 'reordered messages',
  async inflict(scene) {
    const all = scene.cloud.members.filter(({ role }) => role !== 'standalone').map((member) => scene.waysOf(member).reordered);
    const hold = () =>
      scene.random.next() < 0.2 ? { others: 1 + Math.floor(scene.random.next() * 3), atMostMs: between(scene, 50, 1_000) } : undefined;
    for (const each of all) each.arm(hold);
    await pause(between(scene, 1_500, 3_500));
    for (const each of all) each.disarm();
    return 'all deliveries';
  },
};

export const messageFaults: readonly FaultKind[] = [copied, reordered];
