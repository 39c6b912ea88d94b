import { setTimeout as pause } from 'node:timers/promises';
import type { Member, Role } from '../../support/cloud.ts';
import { eventually } from '../../support/eventually.ts';
import { workersOf } from '../../support/workers.ts';
import { withWorkers, WORKERS } from '../field.ts';
import { between, type FaultKind, type FaultScene } from './fault.ts';

/** With a member that no other fault has; one of any name, unless it is given. */
export async function withMember(
  scene: FaultScene,
  role: Role,
  act: (member: Member) => Promise<void>,
  name?: string,
): Promise<string | undefined> {
  const member = scene.take(role, name);
  if (member === undefined) return undefined;
  try {
    await act(member);
    return member.name;
  } finally {
    scene.give(member);
  }
}

const STARTS = 10;

/** As a supervisor does: a process that ended while it started, because its database went away right then, is started again. */
export async function reviveAgain({ cloud }: FaultScene, member: Member): Promise<void> {
  for (let start = 1; ; start += 1) {
    try {
      return await cloud.revive(member);
    } catch (error) {
      if (start === STARTS) throw error;
    }
    await cloud.kill(member);
  }
}

export const NAMES: Readonly<Record<Role, string>> = {
  api: 'an api',
  conductor: 'a conductor',
  scheduler: 'a scheduler',
  compute: 'an agent',
  standalone: 'identity and images',
};

const killed = (role: Role): FaultKind => ({
  name: `kill -9 of ${NAMES[role]}`,
  inflict: (scene) =>
    withMember(scene, role, async (member) => {
      await scene.cloud.kill(member);
      await pause(between(scene, 0, 1_500));
      await reviveAgain(scene, member);
    }),
});

/** Longer and shorter than a lease: who wakes up may have lost all that it believes to have. */
const paused = (role: Role): FaultKind => ({
  name: `SIGSTOP and SIGCONT of ${NAMES[role]}`,
  inflict: (scene) =>
    withMember(scene, role, async ({ process: { pid } }) => {
      process.kill(pid, 'SIGSTOP');
      try {
        await pause(between(scene, 500, 6_500));
      } finally {
        process.kill(pid, 'SIGCONT');
      }
    }),
});

type WorkingRole = keyof typeof withWorkers;

/** With one of a member's workers, until it has as many again; without that one when `act` says that it is gone. */
const withWorker = (scene: FaultScene, role: WorkingRole, act: (pid: number) => Promise<'gone' | 'here'>): Promise<string | undefined> =>
  withMember(
    scene,
    role,
    async (member) => {
      const workers = workersOf(member);
      const pid = workers[Math.floor(scene.random.next() * workers.length)];
      const left = pid === undefined ? 'here' : await act(pid);
      await eventually(
        () => workersOf(member),
        (pids) => pids.length === WORKERS && (left === 'here' || !pids.includes(pid!)),
        { timeoutMs: 60_000, what: `${WORKERS} workers of ${member.name}` },
      );
    },
    withWorkers[role],
  );

const workerKilled = (role: WorkingRole): FaultKind => ({
  name: `kill -9 of a worker of ${NAMES[role]}`,
  inflict: (scene) =>
    withWorker(scene, role, async (pid) => {
      process.kill(pid, 'SIGKILL');
      return 'gone';
    }),
});

const workerPaused = (role: WorkingRole): FaultKind => ({
  name: `SIGSTOP and SIGCONT of a worker of ${NAMES[role]}`,
  inflict: (scene) =>
    withWorker(scene, role, async (pid) => {
      process.kill(pid, 'SIGSTOP');
      try {
        await pause(between(scene, 500, 6_500));
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      return 'here';
    }),
});

/** Forward and back, by seconds and by hours, while it runs; some are started again under the other time. */
const skewed: FaultKind = {
  name: 'clock skew of an agent',
  inflict: (scene) =>
    withMember(scene, 'compute', async (member) => {
      const clock = scene.clockOf(member);
      const size = [3_000, 120_000, 7_200_000][Math.floor(scene.random.next() * 3)]!;
      clock.set(scene.random.next() < 0.5 ? size : -size);
      await pause(between(scene, 500, 3_000));
      if (scene.random.next() < 0.5) {
        await scene.cloud.kill(member);
        await reviveAgain(scene, member);
        await pause(between(scene, 500, 2_000));
      }
      clock.end();
    }),
};

export const processFaults: readonly FaultKind[] = [
  ...(['conductor', 'compute', 'scheduler', 'api', 'standalone'] as const).map(killed),
  ...(['conductor', 'compute', 'scheduler', 'api'] as const).map(paused),
  ...(['conductor', 'api'] as const).flatMap((role) => [workerKilled(role), workerPaused(role)]),
  skewed,
];
