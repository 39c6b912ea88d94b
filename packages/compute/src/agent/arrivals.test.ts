/** Guests that were sent here: they are the only ones with what was written since, whatever became of the order to bring them up. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { powerState } from '@kilonova/objects';
import { systemClock } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import type { Driver, Moves } from '../driver/driver.ts';
import { FileStorage, type JournalStorage } from '../journal/storage.ts';
import { aFarSide, aFinish, aFolder, anAgent, anInquiry, aPreparation, aSpawn, aSpec } from '../testing.ts';

/** A journal that takes no more once it is told so. */
function aStorage(folder: string) {
  const file = new FileStorage(folder);
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const state = { full: false, hangs: false, release };
  const storage: JournalStorage = {
    path: file.path,
    open: () => file.open(),
    truncate: (length) => file.truncate(length),
    async append(bytes) {
      if (state.full) throw new Error('no space left on device');
      if (state.hangs) await released;
      return file.append(bytes);
    },
    sync: () => file.sync(),
    replace: (bytes) => file.replace(bytes),
    close: () => file.close(),
  };
  return { storage, state };
}

/** The driver, and what happens behind each guest that it brought up. */
const behindEach = (act: () => void) => (driver: Driver) =>
  new Proxy(driver as Driver & Moves, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown;
      if (typeof member !== 'function') return member;
      const bound = (member as (...given: unknown[]) => unknown).bind(target);
      if (name !== 'finishIncoming' && name !== 'ensureRunning') return bound;
      return async (...given: unknown[]) => {
        const result = await bound(...given);
        act();
        return result;
      };
    },
  });

/** An agent that brought a guest up and died before that was on its disk. @returns where the next one goes on */
async function anUpGuest(allowedMs: number): Promise<{ readonly stateDir: string; readonly operationId: string }> {
  const far = await aFarSide();
  const [first, stateDir] = [aFolder(), aFolder()];
  const { storage, state } = aStorage(first);
  const { driver } = await anAgent({ broker: far.broker, stateDir: first, storage, wrap: behindEach(() => (state.hangs = true)) });
  const spec = aSpec({ generation: 2 });
  const preparation = aPreparation(spec);
  await far.orders.prepareIncoming(preparation);
  await far.outcomeOf(preparation);
  const finish = aFinish(spec, { live: true, allowedMs });
  await far.orders.finishIncoming(finish);
  await expect.poll(() => driver.list()).toMatchObject([{ power: powerState.running }]);
  for (const name of ['journal', 'fake-domains.jsonl']) copyFileSync(join(first, name), join(stateDir, name));
  state.release(); // what goes on there is of another life
  return { stateDir, operationId: finish.operationId };
}

test.each([
  { title: 'in time', allowedMs: 600_000 },
  { title: 'when its time is over', allowedMs: 1_500 },
])('a guest that was brought up by an agent that died is kept, and told, by the next one $title', async ({ allowedMs }) => {
  const { stateDir, operationId } = await anUpGuest(allowedMs);
  if (allowedMs < 10_000) await systemClock.sleep(allowedMs);
  const far = await aFarSide();
  const { driver } = await anAgent({ broker: far.broker, stateDir });
  expect(await far.outcomeOf({ operationId })).toMatchObject({ outcome: 'done', power: powerState.running });
  expect(await driver.list()).toMatchObject([{ generation: 2, power: powerState.running }]);
});

test('a guest that is up is left as it is by another order to bring it up, also one that its user has shut down', async () => {
  const far = await aFarSide();
  const { driver } = await anAgent({ broker: far.broker });
  const spec = aSpec({ generation: 2 });
  const finishAgain = async () => {
    const finish = aFinish(spec, { live: true });
    await far.orders.finishIncoming(finish);
    return far.outcomeOf(finish);
  };
  await far.orders.prepareIncoming(aPreparation(spec));
  expect(await finishAgain()).toMatchObject({ outcome: 'done', power: powerState.running });
  driver.faults.set({ rule: { verb: 'finishIncoming', effect: 'fail', message: 'no hypervisor' } });
  expect(await finishAgain()).toMatchObject({ outcome: 'done', power: powerState.running });
  await driver.ensureStopped({ uuid: spec.uuid, generation: 2 }, { signal: AbortSignal.timeout(5_000) });
  expect(await finishAgain()).toMatchObject({ outcome: 'done', power: powerState.shutdown });
  expect(await driver.list()).toMatchObject([{ generation: 2, power: powerState.shutdown }]);
});

test('what did not come up is removed', async () => {
  const far = await aFarSide();
  const { driver } = await anAgent({ broker: far.broker });
  driver.faults.set({ rule: { verb: 'finishIncoming', effect: 'fail-after', message: 'no hypervisor' } });
  const spec = aSpec({ generation: 2 });
  await far.orders.prepareIncoming(aPreparation(spec));
  const finish = aFinish(spec);
  await far.orders.finishIncoming(finish);
  expect(await far.outcomeOf(finish)).toMatchObject({ outcome: 'failed', power: powerState.none });
  expect(await driver.list()).toEqual([]);
});

test('an outcome that is not on the disk is told to nobody, whoever asks', async () => {
  const far = await aFarSide();
  const stateDir = aFolder();
  const { storage, state } = aStorage(stateDir);
  const { driver } = await anAgent({ broker: far.broker, stateDir, storage, wrap: behindEach(() => (state.full = true)) });
  const spawn = aSpawn();
  await far.orders.spawn(spawn);
  await expect.poll(() => driver.list()).toHaveLength(1);
  await far.orders.inquire(anInquiry(spawn.operationId));
  await far.orders.spawn(spawn);
  await expect.poll(() => far.heard.domains.length).toBeGreaterThan(0);
  expect(far.heard.reports).toEqual([]);
});
