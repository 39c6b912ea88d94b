import { setTimeout as pause } from 'node:timers/promises';
import { DISPOSABLE_HOST } from '../field.ts';
import type { FaultKind, FaultScene } from './fault.ts';
import { between, Turn } from './fault.ts';
import { reviveAgain, withMember } from './processes.ts';

const LOOK_MS = 200;
const LOOKS = 75;
const ATTEMPTS = 20;
/** One at a time: the others must have room for what they get. */
const losing = new Turn();

/** As an operator does it: the host is dead and fenced, its servers are evacuated, and one day it comes back. */
const lostHost: FaultKind = {
  name: 'host lost, evacuated and back',
  inflict: (scene) =>
    losing.take(() =>
      withMember(scene, 'compute', async (member) => {
        const service = await serviceOf(scene, member.name);
        await scene.cloud.kill(member);
        await forceDown(scene, service, true);
        await evacuate(scene, member.name);
        await pause(between(scene, 0, 500));
        // It clears up before it gets new work: first it comes back, then it is believed again, or the other way round.
        if (scene.random.next() < 0.5) await forceDown(scene, service, false);
        await reviveAgain(scene, member);
        await forceDown(scene, service, false);
      }),
    ),
};

/** The same, but the operator does not expect it back. */
const goneHost: FaultKind = {
  name: 'host declared gone, and back',
  inflict: (scene) =>
    losing.take(() =>
      withMember(
        scene,
        'compute',
        async (member) => {
          const service = await serviceOf(scene, member.name);
          await scene.cloud.kill(member);
          await forceDown(scene, service, true);
          let gone = false;
          for (let attempt = 0; !gone && attempt < ATTEMPTS; attempt += 1) {
            await evacuate(scene, member.name);
            // 404: the answer to the first attempt was lost; 409: a server is still there, or a move needs the host.
            const { status } = await scene.session.ask('delete-service', ['DELETE', `/os-services/${service}`], [204, 404, 409]);
            gone = status !== 409;
            if (!gone) await pause(LOOK_MS);
          }
          await pause(between(scene, 0, 500));
          await reviveAgain(scene, member);
          if (!gone) await forceDown(scene, service, false);
        },
        DISPOSABLE_HOST,
      ),
    ),
};

export const lostHosts: readonly FaultKind[] = [lostHost, goneHost];

const forceDown = ({ session }: FaultScene, service: string, down: boolean) =>
  session.ask('force-down', ['PUT', `/os-services/${service}`, { body: { forced_down: down } }], [200]);

async function evacuate(scene: FaultScene, host: string): Promise<void> {
  for (const id of await serversOn(scene, host)) {
    const action = ['POST', `/servers/${id}/action`, { body: { evacuate: {} }, microversion: '2.94' }] as const;
    // 400, 404, 409: no room, deleted meanwhile, or in another task just now.
    await scene.session.ask('evacuate', action, [200, 400, 404, 409]);
  }
  for (let look = 0; look < LOOKS && (await evacuating(scene)) > 0; look += 1) await pause(LOOK_MS);
}

async function serviceOf({ session }: FaultScene, host: string): Promise<string> {
  const { body } = await session.ask<{ services: { id: string; host: string }[] }>(
    'list',
    ['GET', '/os-services?binary=nova-compute'],
    [200],
  );
  const found = body.services.find((service) => service.host === host);
  if (found === undefined) throw new Error(`no service nova-compute on ${host}`);
  return found.id;
}

async function serversOn({ session }: FaultScene, host: string): Promise<readonly string[]> {
  const { body } = await session.ask<{ servers: { id: string }[] }>('list', ['GET', `/servers?host=${host}&all_tenants=1`], [200]);
  return body.servers.map(({ id }) => id);
}

async function evacuating({ cloud }: FaultScene): Promise<number> {
  try {
    const live = `state in ('running', 'parked', 'unwinding')`;
    const [row] = await cloud.database.query<{ count: number }>(
      `select count(*)::int as count from tasks where kind = 'evacuate-instance' and ${live}`,
    );
    return row!.count;
  } catch {
    return 1; // the database is away
  }
}
