import { setTimeout as pause } from 'node:timers/promises';
import type { Role } from '../../support/cloud.ts';
import { type FaultProxy, OPEN } from '../../support/faults/fault-proxy.ts';
import { between, type FaultKind, type FaultScene } from './fault.ts';
import { NAMES, withMember } from './processes.ts';

const BROKER_ROLES: readonly Role[] = ['conductor', 'compute', 'scheduler', 'api'];

/** Nothing arrives, or nobody listens. */
async function parted(scene: FaultScene, way: FaultProxy): Promise<void> {
  way.behave({ kind: scene.random.next() < 0.6 ? 'stall' : 'refuse' });
  try {
    await pause(between(scene, 500, 7_000));
  } finally {
    way.behave(OPEN);
  }
}

const partedFromBroker = (role: Role): FaultKind => ({
  name: `partition of ${NAMES[role]} from the broker`,
  inflict: (scene) => withMember(scene, role, (member) => parted(scene, scene.waysOf(member).broker)),
});

const partedFromDatabase: FaultKind = {
  name: 'partition of a conductor from the database',
  inflict: (scene) => withMember(scene, 'conductor', (member) => parted(scene, scene.waysOf(member).database!)),
};

const slow: FaultKind = {
  name: 'slow network of one process',
  inflict: (scene) => {
    const role = BROKER_ROLES[Math.floor(scene.random.next() * BROKER_ROLES.length)]!;
    return withMember(scene, role, async (member) => {
      const { broker, database } = scene.waysOf(member);
      const way = database !== undefined && scene.random.next() < 0.5 ? database : broker;
      const narrow = scene.random.next() < 0.3 && { bytesPerSecond: 100_000 };
      way.behave({ kind: 'slow', delayMs: between(scene, 5, 60), jitterMs: between(scene, 0, 150), ...narrow });
      try {
        await pause(between(scene, 1_000, 5_000));
      } finally {
        way.behave(OPEN);
      }
    });
  },
};

/** Also of the lease, of adoptions, of reports and of acceptances. */
const lostAnswers: FaultKind = {
  name: 'connection cut after commit',
  inflict: (scene) =>
    withMember(scene, 'conductor', async (member) => {
      const { lost } = scene.waysOf(member);
      const probability = 0.02 + 0.2 * scene.random.next();
      lost.arm(() => scene.random.next() < probability);
      await pause(between(scene, 1_000, 3_000));
      lost.disarm();
    }),
};

export const networkFaults: readonly FaultKind[] = [...BROKER_ROLES.map(partedFromBroker), partedFromDatabase, slow, lostAnswers];
