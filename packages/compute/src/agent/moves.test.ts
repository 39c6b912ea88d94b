import { powerState } from '@kilonova/objects';
import { describe, expect, test } from 'vitest';
import { aFarSide, aFinish, aFolder, aMigration, anAgent, aPreparation, aRemoval, aSpawn, aSpec, aTakeBack } from '../testing.ts';

/** A server that runs here, and is being sent to where nobody takes it. */
async function aSlowMigration(changes: Parameters<typeof aMigration>[1] = {}) {
  const far = await aFarSide();
  const agent = await anAgent({ broker: far.broker });
  const spawn = aSpawn();
  await far.orders.spawn(spawn);
  await far.outcomeOf(spawn);
  agent.driver.faults.set({ rule: { verb: 'migrateOut', effect: 'hang' } });
  const migration = aMigration(spawn.instanceUuid, changes);
  await far.orders.migrateOut(migration);
  const powerOf = async () => (await agent.driver.list()).find(({ uuid }) => uuid === spawn.instanceUuid)?.power;
  return { ...far, ...agent, spawn, migration, powerOf };
}

describe('an agent whose server moves away', () => {
  test('stops it when it moves cold, and keeps it for being taken back', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    await anAgent({ broker });
    const spawn = aSpawn();
    await orders.spawn(spawn);
    const out = aMigration(spawn.instanceUuid, { live: false });
    await orders.migrateOut(out);
    expect(await outcomeOf(out)).toMatchObject({ outcome: 'done', power: powerState.shutdown });
    const back = aTakeBack({ ...spawn.spec, generation: 3 });
    await orders.takeBack(back);
    expect(await outcomeOf(back)).toMatchObject({ outcome: 'done', power: powerState.running, generation: 3 });
  });

  test('breaks a live migration off when the order says so, and the server goes on here', async () => {
    const { orders, outcomeOf, migration, powerOf } = await aSlowMigration();
    await orders.migrateOut(Object.assign(migration, { abort: true }));
    expect(await outcomeOf(migration)).toMatchObject({ outcome: 'failed', message: 'the migration was aborted' });
    expect(await powerOf()).toBe(powerState.running);
  });

  test('does not begin what is aborted already', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const spawn = aSpawn();
    await orders.spawn(spawn);
    const migration = aMigration(spawn.instanceUuid, { abort: true });
    await orders.migrateOut(migration);
    expect(await outcomeOf(migration)).toMatchObject({ outcome: 'failed' });
    expect(await driver.list()).toMatchObject([{ power: powerState.running }]);
  });

  test('brings a live migration to its end when the order says so', async () => {
    const { orders, outcomeOf, migration } = await aSlowMigration();
    await orders.migrateOut(Object.assign(migration, { forceComplete: true }));
    expect(await outcomeOf(migration)).toMatchObject({ outcome: 'done' });
  });

  test('does not wait for a migration that hangs before it takes the server back', async () => {
    const { orders, outcomeOf, migration, spawn, powerOf } = await aSlowMigration();
    const back = aTakeBack({ ...spawn.spec, generation: 1 });
    await orders.takeBack(back);
    expect(await outcomeOf(back)).toMatchObject({ outcome: 'done', power: powerState.running });
    expect(await outcomeOf(migration)).toMatchObject({ outcome: 'failed' });
    expect(await powerOf()).toBe(powerState.running);
  });
});

describe('an agent whose server is sent live', () => {
  const config = { transferReportMs: 10 };

  test('tells how far it is on the way, the newest once per interval, and with the outcome', async () => {
    const far = await aFarSide();
    const agent = await anAgent({ broker: far.broker, config });
    const spawn = aSpawn();
    await far.orders.spawn(spawn);
    await far.outcomeOf(spawn);
    agent.driver.faults.set({ rule: { verb: 'migrateOut', effect: 'hang' } });
    const migration = aMigration(spawn.instanceUuid);
    await far.orders.migrateOut(migration);
    await expect.poll(() => far.heard.transfers.length).toBe(1);
    const memory = spawn.spec.memoryMb * 1_048_576;
    expect(far.heard.transfers[0]).toMatchObject({
      host: 'host-1',
      transfers: [
        { operationId: migration.operationId, generation: 1, progress: { memoryTotalBytes: memory, memoryRemainingBytes: memory } },
      ],
    });
    await far.orders.migrateOut(Object.assign(migration, { forceComplete: true }));
    expect((await far.outcomeOf(migration)).progress).toMatchObject({ memoryTotalBytes: memory, memoryProcessedBytes: memory });
    expect((await far.outcomeOf(spawn)).progress).toBeNull();
  });

  test('tells nothing to conductors of 1.0, and its outcome all the same', async () => {
    const far = await aFarSide();
    const agent = await anAgent({ broker: far.broker, config, pin: '1.0' });
    const spawn = aSpawn();
    await far.orders.spawn(spawn);
    await far.outcomeOf(spawn);
    agent.driver.faults.set({ rule: { verb: 'migrateOut', effect: 'delay', ms: 100 } });
    const migration = aMigration(spawn.instanceUuid);
    await far.orders.migrateOut(migration);
    expect(await far.outcomeOf(migration)).toMatchObject({ outcome: 'done', progress: null });
    expect(far.heard.transfers).toEqual([]);
  });
});

describe('an agent that gets a server', () => {
  test('says where it is to be sent, also when it was started anew in between, and runs it in the end', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const stateDir = aFolder();
    const first = await anAgent({ broker, stateDir });
    const spec = aSpec({ generation: 2 });
    const preparation = aPreparation(spec);
    await orders.prepareIncoming(preparation);
    expect(await outcomeOf(preparation)).toMatchObject({
      outcome: 'done',
      destination: `fake://host-1/${spec.uuid}`,
      power: powerState.none,
    });
    await first.service.stop();
    await first.driver.close();
    await first.transport.close();
    const { driver } = await anAgent({ broker, stateDir });
    const finish = aFinish(spec);
    await orders.finishIncoming(finish);
    expect(await outcomeOf(finish)).toMatchObject({ outcome: 'done', power: powerState.running });
    expect(await driver.list()).toMatchObject([{ generation: 2, power: powerState.running }]);
  });

  test('keeps nothing of one that did not come', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const spec = aSpec({ generation: 2 });
    await orders.prepareIncoming(aPreparation(spec));
    const finish = aFinish(spec, { live: true, sent: false });
    await orders.finishIncoming(finish);
    expect(await outcomeOf(finish)).toMatchObject({ outcome: 'failed', power: powerState.none });
    expect(await driver.list()).toEqual([]);
  });

  test('refuses to prepare what was taken back before', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const spec = aSpec({ generation: 2 });
    await orders.remove(aRemoval(spec.uuid, { generation: 2 }));
    const preparation = aPreparation(spec);
    await orders.prepareIncoming(preparation);
    expect(await outcomeOf(preparation)).toMatchObject({ outcome: 'failed', message: expect.stringMatching(/was removed/) as string });
    expect(await driver.list()).toEqual([]);
  });
});
