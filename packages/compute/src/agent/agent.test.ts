import { computeContract, powerState } from '@kilonova/objects';
import { createClient, ServiceError } from '@kilonova/rpc';
import { FolderInUse, systemRandom } from '@kilonova/runtime';
import { describe, expect, test } from 'vitest';
import type { FakeDriver } from '../driver/fake/fake-driver.ts';
import { FileStorage, type JournalStorage } from '../journal/storage.ts';
import { aFarSide, aFolder, anAgent, anInquiry, aPowerOrder, aReboot, aRemoval, aSpawn, aSpec, HOST, watched } from '../testing.ts';

const domainsOf = async (driver: FakeDriver) => (await driver.list()).map(({ uuid, generation, power }) => ({ uuid, generation, power }));

describe('an agent', () => {
  test('carries out what it is told, and reports each outcome with a higher number', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const spawn = aSpawn();
    const uuid = spawn.instanceUuid;
    await orders.spawn(spawn);
    const spawned = await outcomeOf(spawn);
    expect(spawned).toMatchObject({ outcome: 'done', power: powerState.running, instanceUuid: uuid, generation: 1, message: '' });
    const steps = [
      { send: orders.powerOff, order: aPowerOrder(uuid), power: powerState.shutdown },
      { send: orders.powerOn, order: aPowerOrder(uuid), power: powerState.running },
      { send: orders.reboot, order: aReboot(uuid), power: powerState.running },
      { send: orders.remove, order: aRemoval(uuid), power: powerState.none },
    ];
    let number = spawned.number;
    for (const { send, order, power } of steps) {
      await send(order as never);
      const report = await outcomeOf(order);
      expect(report).toMatchObject({ outcome: 'done', power });
      expect(report.number).toBeGreaterThan(number);
      number = report.number;
    }
    expect(await driver.list()).toEqual([]);
  });

  test('takes over what is left of an instance under an older generation when a hard reboot says what it is', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const spawn = aSpawn();
    const uuid = spawn.instanceUuid;
    await orders.spawn(spawn);
    await outcomeOf(spawn);
    const spec = aSpec({ uuid, generation: 3, memoryMb: 1_024 });
    const blind = aReboot(uuid, { generation: 3 });
    await orders.reboot(blind);
    expect(await outcomeOf(blind)).toMatchObject({ outcome: 'failed' });
    const knowing = Object.assign(aReboot(uuid, { generation: 3 }), { spec });
    await orders.reboot(knowing);
    expect(await outcomeOf(knowing)).toMatchObject({ outcome: 'done', power: powerState.running });
    expect(await domainsOf(driver)).toEqual([{ uuid, generation: 3, power: powerState.running }]);
  });

  test('an order said again is not carried out again, and its outcome is told again', async () => {
    const verbs: string[] = [];
    const { broker, orders, outcomeOf, heard } = await aFarSide();
    await anAgent({ broker, wrap: watched(verbs) });
    const spawn = aSpawn();
    await Promise.all([orders.spawn(spawn), orders.spawn(spawn), orders.spawn(spawn)]);
    const first = await outcomeOf(spawn);
    await expect.poll(() => heard.accepted.size).toBe(1);
    await orders.spawn(spawn);
    await expect.poll(() => heard.reports.at(-1)!.number).toBeGreaterThan(first.number);
    expect(heard.reports.at(-1)).toMatchObject({ operationId: spawn.operationId, outcome: 'done' });
    expect(verbs).toEqual(['ensureRunning']);
  });

  test('a stop that comes again after a later start leaves the instance running', async () => {
    const { broker, orders, outcomeOf, heard } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const spawn = aSpawn();
    const [off, on] = [aPowerOrder(spawn.instanceUuid), aPowerOrder(spawn.instanceUuid)];
    await orders.spawn(spawn);
    await orders.powerOff(off);
    await orders.powerOn(on);
    const { number } = await outcomeOf(on);
    await expect.poll(() => heard.accepted.size).toBe(3);
    await orders.powerOff(off);
    await expect.poll(() => heard.reports.at(-1)!.number).toBeGreaterThan(number);
    // The newest number comes with the power of now, not of then.
    expect(heard.reports.at(-1)).toMatchObject({ operationId: off.operationId, power: powerState.running });
    expect(await domainsOf(driver)).toMatchObject([{ power: powerState.running }]);
  });

  test.each([
    { title: 'of the id that was taken back', changes: { generation: 2 }, says: /taken back/ },
    { title: 'of the generation that was removed', changes: { operationId: 'another' }, says: /generation 1 of the instance was removed/ },
  ])('a spawn $title comes too late and does nothing', async ({ changes, says }) => {
    const verbs: string[] = [];
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker, wrap: watched(verbs) });
    const first = aSpawn();
    const spawn = aSpawn({ instanceUuid: first.instanceUuid, operationId: first.operationId, ...changes });
    const removal = aRemoval(first.instanceUuid, { undoes: first.operationId });
    await orders.remove(removal);
    expect(await outcomeOf(removal)).toMatchObject({ outcome: 'done' });
    await orders.spawn(spawn);
    expect(await outcomeOf(spawn)).toMatchObject({ outcome: 'failed', message: expect.stringMatching(says) as string });
    expect(verbs).toEqual(['ensureAbsent']);
    expect(await driver.list()).toEqual([]);
  });

  test('an instance that left may come back with a higher generation', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const first = aSpawn();
    await orders.spawn(first);
    await orders.remove(aRemoval(first.instanceUuid));
    const again = aSpawn({ instanceUuid: first.instanceUuid, generation: 2 });
    await orders.spawn(again);
    expect(await outcomeOf(again)).toMatchObject({ outcome: 'done' });
    expect(await domainsOf(driver)).toMatchObject([{ generation: 2 }]);
  });

  test('orders of an older generation do nothing to what runs now', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const spawn = aSpawn({ generation: 3 });
    await orders.spawn(spawn);
    const [off, removal] = [aPowerOrder(spawn.instanceUuid, { generation: 2 }), aRemoval(spawn.instanceUuid, { generation: 2 })];
    await orders.powerOff(off);
    await orders.remove(removal);
    expect(await outcomeOf(off)).toMatchObject({ outcome: 'failed', message: expect.stringMatching(/generation/) as string });
    // What it asks for, nothing of generation 2, is the case.
    expect(await outcomeOf(removal)).toMatchObject({ outcome: 'done' });
    expect(await domainsOf(driver)).toEqual([{ uuid: spawn.instanceUuid, generation: 3, power: powerState.running }]);
  });

  test('a removal that the conductor knows of and orders again is done again: the domain came back', async () => {
    const { broker, orders, outcomeOf, heard } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const removal = aRemoval(systemRandom.uuid());
    await orders.remove(removal);
    await outcomeOf(removal);
    await driver.ensureRunning(aSpec({ uuid: removal.instanceUuid }), { signal: new AbortController().signal });
    // A repeat that comes before the answer was journalled is only told again.
    await expect
      .poll(async () => {
        await orders.remove(removal);
        return driver.list();
      })
      .toEqual([]);
    await expect.poll(() => heard.reports.filter(({ operationId }) => operationId === removal.operationId).length).toBeGreaterThan(1);
  });

  test('a removal does not wait for the spawn that runs: the spawn is aborted, then its domain removed', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker });
    driver.faults.set({ rule: { verb: 'spawn', effect: 'hang' } });
    const spawn = aSpawn({ allowedMs: 600_000 });
    await orders.spawn(spawn);
    const removal = aRemoval(spawn.instanceUuid, { undoes: spawn.operationId });
    await orders.remove(removal);
    expect(await outcomeOf(removal)).toMatchObject({ outcome: 'done', power: powerState.none });
    expect(await outcomeOf(spawn)).toMatchObject({ outcome: 'failed' });
    expect(await driver.list()).toEqual([]);
  });

  test('instances go side by side, orders on one instance in order', async () => {
    const verbs: string[] = [];
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker, wrap: watched(verbs), config: { maxConcurrentOperations: 2 } });
    driver.faults.set({ rule: { verb: 'spawn', effect: 'hang', count: 1 } });
    const stuck = aSpawn({ allowedMs: 400 });
    const free = aSpawn();
    const [off, on] = [aPowerOrder(free.instanceUuid), aPowerOrder(free.instanceUuid)];
    await orders.spawn(stuck);
    await orders.spawn(free);
    await orders.powerOff(off);
    await orders.powerOn(on);
    expect(await outcomeOf(on)).toMatchObject({ outcome: 'done' });
    expect(verbs).toEqual(['ensureRunning', 'ensureRunning', 'ensureStopped', 'ensureStarted']);
    expect(await outcomeOf(stuck)).toMatchObject({ outcome: 'failed' });
  });

  test.each(['fail', 'fail-after', 'hang', 'wedge'] as const)(
    'a spawn whose driver does "%s" is reported failed in its time and leaves no domain',
    async (effect) => {
      const { broker, orders, outcomeOf } = await aFarSide();
      const { driver } = await anAgent({ broker });
      driver.faults.set({ rule: { verb: 'spawn', effect, message: 'disk on fire' } });
      const spawn = aSpawn({ allowedMs: 100 });
      await orders.spawn(spawn);
      const says = effect === 'fail' || effect === 'fail-after' ? 'disk on fire' : 'not finished within 100 ms';
      expect(await outcomeOf(spawn)).toMatchObject({
        outcome: 'failed',
        power: powerState.none,
        message: expect.stringContaining(says.slice(0, 19)) as string,
      });
      expect(await driver.list()).toEqual([]);
    },
  );

  test('a spawn that hung and acts after all, long after it was given up, leaves no domain', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    let act = () => {};
    const late = new Promise<void>((resolve) => (act = resolve));
    const { driver } = await anAgent({
      broker,
      wrap: (fake) => ({
        name: fake.name,
        inventory: () => fake.inventory(),
        list: () => fake.list(),
        ensureRunning: (spec) => late.then(() => fake.ensureRunning(spec, { signal: new AbortController().signal })),
        ensureStarted: (...given) => fake.ensureStarted(...given),
        ensureStopped: (...given) => fake.ensureStopped(...given),
        reboot: (...given) => fake.reboot(...given),
        ensureAbsent: (...given) => fake.ensureAbsent(...given),
        close: () => fake.close(),
      }),
    });
    const spawn = aSpawn({ allowedMs: 50 });
    await orders.spawn(spawn);
    expect(await outcomeOf(spawn)).toMatchObject({ outcome: 'failed' });
    let seen = false;
    const put = driver.ensureAbsent.bind(driver);
    driver.ensureAbsent = async (...given) => {
      seen = (await driver.list()).length === 1;
      return put(...given);
    };
    act();
    await expect.poll(() => seen).toBe(true);
    await expect.poll(() => driver.list()).toEqual([]);
  });

  test('a removal that failed is done when it is ordered again by the same id', async () => {
    const { broker, orders, outcomeOf, heard } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const spawn = aSpawn();
    await orders.spawn(spawn);
    await outcomeOf(spawn);
    driver.faults.set({ rule: { verb: 'remove', effect: 'fail', count: 1 } });
    const removal = aRemoval(spawn.instanceUuid);
    await orders.remove(removal);
    expect(await outcomeOf(removal)).toMatchObject({ outcome: 'failed' });
    await expect.poll(() => heard.accepted.has(removal.operationId)).toBe(true);
    await orders.remove(removal);
    await expect.poll(() => heard.reports.at(-1)).toMatchObject({ operationId: removal.operationId, outcome: 'done' });
    expect(await driver.list()).toEqual([]);
  });

  test('asked what became of operations it tells it again, or that it never heard of them', async () => {
    const { broker, orders, outcomeOf, heard } = await aFarSide();
    await anAgent({ broker });
    const spawn = aSpawn();
    await orders.spawn(spawn);
    const { number } = await outcomeOf(spawn);
    await expect.poll(() => heard.accepted.size).toBe(1);
    heard.reports.length = 0;
    await orders.inquire(anInquiry(spawn.operationId, 'never-sent'));
    expect(await outcomeOf({ operationId: 'never-sent' })).toMatchObject({ outcome: 'unknown' });
    const again = await outcomeOf(spawn);
    expect(again).toMatchObject({ outcome: 'done' });
    expect(again.number).toBeGreaterThan(number);
  });

  test('orders for another host, of an unknown account, or without sense have no effect', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver } = await anAgent({ broker });
    const stranger = createClient(broker.connect({ service: 'stranger', id: 's', user: 'compute.host-2' }), computeContract).at(HOST);
    await stranger.spawn(aSpawn());
    await orders.spawn(aSpawn({ host: 'host-2' }));
    await orders.spawn(aSpawn({ allowedMs: 0 }));
    await orders.spawn(Object.assign(aSpawn(), { instanceUuid: '../../etc/passwd' }));
    const good = aSpawn();
    await orders.spawn(good);
    await outcomeOf(good);
    expect((await driver.list()).map(({ uuid }) => uuid)).toEqual([good.instanceUuid]);
  });

  test('above its limit it refuses orders, which is counted', async () => {
    const { broker, orders, outcomeOf } = await aFarSide();
    const { driver, metrics } = await anAgent({ broker, config: { maxQueuedOperations: 1 } });
    driver.faults.set({ rule: { verb: 'spawn', effect: 'hang' } });
    const first = aSpawn({ allowedMs: 300 });
    await orders.spawn(first);
    await orders.spawn(aSpawn());
    await expect
      .poll(async () => (await metrics.getSingleMetric('kilonova_compute_refused_total')!.get()).values)
      .toMatchObject([{ labels: { reason: 'Busy' }, value: 1 }]);
    await outcomeOf(first);
    driver.faults.set({});
    const next = aSpawn();
    await orders.spawn(next);
    expect(await outcomeOf(next)).toMatchObject({ outcome: 'done' });
  });

  test('nothing happens before the order is on the disk, and nothing is told before its outcome is', async () => {
    const verbs: string[] = [];
    const { broker, orders, outcomeOf, heard } = await aFarSide();
    const stateDir = aFolder();
    const file = new FileStorage(stateDir);
    const disk = { waiting: 0, go: () => {}, ready: Promise.resolve() };
    const hold = () => (disk.ready = new Promise((resolve) => (disk.go = resolve)));
    const storage: JournalStorage = {
      path: file.path,
      open: () => file.open(),
      truncate: (length) => file.truncate(length),
      append: (bytes) => file.append(bytes),
      sync: async () => {
        disk.waiting += 1;
        await disk.ready;
        await file.sync();
        disk.waiting -= 1;
      },
      replace: (bytes) => file.replace(bytes),
      close: () => file.close(),
    };
    // The answer to this needs no disk: when it is there, whatever did not wait for the disk has happened.
    const barrier = async (name: string) => {
      await orders.inquire(anInquiry(name));
      await outcomeOf({ operationId: name });
    };
    await anAgent({
      broker,
      stateDir,
      storage,
      wrap: watched(verbs, () => void hold()),
    });
    void hold();
    const spawn = aSpawn();
    await orders.spawn(spawn);
    await expect.poll(() => disk.waiting).toBe(1);
    await barrier('first');
    expect(verbs).toEqual([]);
    disk.go();
    await expect.poll(() => verbs).toEqual(['ensureRunning']);
    await expect.poll(() => disk.waiting).toBe(1);
    await barrier('second');
    expect(heard.reports.map(({ operationId }) => operationId)).not.toContain(spawn.operationId);
    disk.go();
    expect(await outcomeOf(spawn)).toMatchObject({ outcome: 'done' });
  });

  test('a second agent on the same journal does not start', async () => {
    const { broker } = await aFarSide();
    const { stateDir } = await anAgent({ broker });
    await expect(anAgent({ broker, stateDir })).rejects.toBeInstanceOf(FolderInUse);
  });

  test('a stop finishes what is in hand and tells it', async () => {
    const { broker, orders, heard } = await aFarSide();
    const { service, driver } = await anAgent({ broker });
    driver.faults.set({ rule: { verb: 'spawn', effect: 'delay', ms: 100 } });
    const spawn = aSpawn();
    await orders.spawn(spawn);
    await service.stop();
    expect(heard.accepted).toContain(spawn.operationId);
  });

  test('what a stop cannot finish is finished by the next agent', async () => {
    const { broker, orders, outcomeOf, heard } = await aFarSide();
    const first = await anAgent({ broker, config: { graceMs: 50 } });
    first.driver.faults.set({ rule: { verb: 'spawn', effect: 'wedge' } });
    const spawn = aSpawn();
    await orders.spawn(spawn);
    await first.service.stop();
    expect(heard.reports).toEqual([]);
    await first.transport.close();
    const second = await anAgent({ broker, stateDir: first.stateDir });
    expect(await outcomeOf(spawn)).toMatchObject({ outcome: 'done' });
    expect(await second.driver.list()).toHaveLength(1);
  });

  test('a conductor that fails is told again, until it accepts', async () => {
    const { broker, orders, heard, behaviour } = await aFarSide();
    await anAgent({ broker });
    let asked = 0;
    behaviour.accept = () => {
      asked += 1;
      if (asked <= 2) throw new ServiceError('DatabaseUnavailable', 'the database is gone');
      return asked > 4;
    };
    const spawn = aSpawn();
    await orders.spawn(spawn);
    await expect.poll(() => heard.accepted.has(spawn.operationId)).toBe(true);
    expect(asked).toBe(5);
    expect(new Set(heard.reports.map(({ number }) => number)).size).toBe(1);
  });
});
