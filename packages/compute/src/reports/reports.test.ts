import { powerState } from '@kilonova/objects';
import { ServiceError } from '@kilonova/rpc';
import { createLogger } from '@kilonova/runtime';
import { describe, expect, test } from 'vitest';
import type { FakeDriver } from '../driver/fake/fake-driver.ts';
import { aFarSide, anAgent, anInquiry, aRemoval, aSpawn, HOST } from '../testing.ts';

describe('what a host tells the conductor', () => {
  test('begins with its registration, repeated until it is answered', async () => {
    const far = await aFarSide();
    let asked = 0;
    far.behaviour.register = () => {
      asked += 1;
      if (asked < 4) throw new ServiceError('DatabaseUnavailable', 'the database is gone');
    };
    const { service } = await anAgent({ broker: far.broker });
    await expect.poll(async () => (await service.health()).ok).toBe(true);
    // Once more when it knows that the conductor understands which process it is.
    await expect.poll(() => far.heard.registrations.map(({ agent }) => agent !== '')).toEqual([false, true]);
    expect(asked).toBe(5);
    expect(far.heard.registrations.at(-1)).toMatchObject({
      host: HOST,
      node: HOST,
      driver: 'fake',
      inventory: { vcpus: 64, hypervisorType: 'fake' },
    });
  });

  test('its registration is logged once, although it is told again in another form', async () => {
    const far = await aFarSide();
    const lines: string[] = [];
    const log = createLogger('compute', 'info', { write: (line) => void lines.push(line) });
    const { transport } = await anAgent({ broker: far.broker, log });
    const logged = () => lines.filter((line) => line.includes('"msg":"host registered"')).length;
    await expect.poll(() => far.heard.registrations.length).toBe(2);
    expect(logged()).toBe(1);
    transport.cut();
    transport.restore();
    await expect.poll(() => far.heard.registrations.length).toBeGreaterThan(2);
    await expect.poll(logged).toBe(2);
  });

  test('starts without a conductor, says what is missing, and registers when one comes', async () => {
    const far = await aFarSide();
    await far.server.stop();
    const { service } = await anAgent({ broker: far.broker });
    await expect
      .poll(async () => (await service.health()).checks['registered'])
      .toMatchObject({ ok: false, reason: expect.stringMatching(/host-reports/) as string });
    await aFarSide(far.broker, 'c2');
    await expect.poll(async () => (await service.health()).ok).toBe(true);
  });

  test('after an outage of the broker it registers again and tells what happened meanwhile', async () => {
    const far = await aFarSide();
    const { transport, driver, service } = await anAgent({ broker: far.broker });
    driver.faults.set({ rule: { verb: 'spawn', effect: 'delay', ms: 100 } });
    const spawn = aSpawn();
    await far.orders.spawn(spawn);
    await expect.poll(() => far.heard.registrations.length).toBe(2);
    transport.cut();
    await expect.poll(() => driver.list()).toHaveLength(1);
    expect((await service.health()).checks['broker']).toMatchObject({ ok: false });
    expect(far.heard.reports).toEqual([]);
    transport.restore();
    expect(await far.outcomeOf(spawn)).toMatchObject({ outcome: 'done' });
    await expect.poll(() => far.heard.registrations.length).toBeGreaterThan(2);
  });

  test('outcomes outlive the agent until they are accepted', async () => {
    const far = await aFarSide();
    far.behaviour.accept = () => false;
    const first = await anAgent({ broker: far.broker });
    const spawn = aSpawn();
    await far.orders.spawn(spawn);
    const told = await far.outcomeOf(spawn);
    await first.service.stop();
    await first.transport.close();
    far.heard.reports.length = 0;
    far.behaviour.accept = () => true;
    const second = await anAgent({ broker: far.broker, stateDir: first.stateDir });
    expect(await far.outcomeOf(spawn)).toEqual(told);
    await expect.poll(() => far.heard.accepted.has(spawn.operationId)).toBe(true);
    await second.service.stop();
    await second.transport.close();
    // What was accepted is not told again; the answer to the question would come behind it.
    far.heard.reports.length = 0;
    await anAgent({ broker: far.broker, stateDir: first.stateDir });
    await far.orders.inquire(anInquiry('never-sent'));
    await far.outcomeOf({ operationId: 'never-sent' });
    expect(far.heard.reports).toHaveLength(1);
  });

  test('an answer that comes late settles what it is about, and nothing that ended since', async () => {
    const far = await aFarSide();
    const { driver, metrics } = await anAgent({ broker: far.broker });
    /** Counted when the outcome waits to be told. */
    const ended = async (verb: string) =>
      (await metrics.getSingleMetricAsString('kilonova_compute_operations_total'))
        .split('\n')
        .filter((line) => line.includes(`verb="${verb}"`) && line.includes('outcome="done"'))
        .map((line) => Number(line.split(' ').at(-1)));

    /** Holds up the answer to the next message. */
    const holdUp = () => {
      const held = { begun: false, answer: () => {} };
      const answered = new Promise<void>((resolve) => (held.answer = resolve));
      far.behaviour.answerReports = () => {
        held.begun = true;
        far.behaviour.answerReports = async () => {};
        return answered;
      };
      return held;
    };
    const told = ({ operationId }: { readonly operationId: string }) =>
      far.heard.reports.filter((report) => report.operationId === operationId).map(({ outcome }) => outcome);

    const spawn = aSpawn();
    await far.orders.spawn(spawn);
    await far.outcomeOf(spawn);
    driver.faults.set({ rule: { verb: 'remove', effect: 'fail' } });
    const removal = aRemoval(spawn.instanceUuid);
    let held = holdUp();
    await far.orders.remove(removal);
    await expect.poll(() => held.begun).toBe(true);
    driver.faults.set({});
    await far.orders.remove(removal);
    await expect.poll(() => driver.list()).toHaveLength(0);
    await expect.poll(() => ended('remove')).toEqual([1]);
    held.answer();
    await expect.poll(() => told(removal)).toEqual(['failed', 'done']);

    const late = aSpawn();
    held = holdUp();
    await far.orders.inquire(anInquiry(late.operationId));
    await expect.poll(() => held.begun).toBe(true);
    await far.orders.spawn(late);
    await expect.poll(() => driver.list()).toHaveLength(1);
    await expect.poll(() => ended('spawn')).toEqual([2]);
    held.answer();
    await expect.poll(() => told(late)).toEqual(['unknown', 'done']);
  });

  test('an outcome that is never accepted holds up no other', async () => {
    const far = await aFarSide();
    await anAgent({ broker: far.broker, config: { reportBatchSize: 1 } });
    const bad = aSpawn();
    const good = Array.from({ length: 4 }, () => aSpawn());
    far.behaviour.accept = ({ operationId }) => operationId !== bad.operationId;
    for (const spawn of [bad, ...good]) await far.orders.spawn(spawn);
    await expect.poll(() => good.every(({ operationId }) => far.heard.accepted.has(operationId))).toBe(true);
  });

  test('many outcomes with long texts go in as many messages as the limit needs', async () => {
    const far = await aFarSide();
    let open = false;
    far.behaviour.accept = () => {
      if (!open) throw new ServiceError('DatabaseUnavailable', 'not yet');
      return true;
    };
    const { driver } = await anAgent({ broker: far.broker });
    driver.faults.set({ rule: { verb: 'spawn', effect: 'fail', message: 'ü'.repeat(5_000) } });
    const spawns = Array.from({ length: 60 }, () => aSpawn());
    await Promise.all(spawns.map((spawn) => far.orders.spawn(spawn)));
    await expect.poll(() => far.heard.reports.length).toBeGreaterThan(0);
    open = true;
    await expect.poll(() => far.heard.accepted.size, { timeout: 10_000 }).toBe(60);
    expect(far.heard.reports[0]?.message).toHaveLength(1_000);
  });

  test('a heartbeat carries the inventory only when it changed', async () => {
    const far = await aFarSide();
    const { driver } = await anAgent({ broker: far.broker });
    await expect.poll(() => far.heard.heartbeats.length).toBeGreaterThan(2);
    expect(far.heard.heartbeats.map(({ inventory }) => inventory)).toEqual(far.heard.heartbeats.map(() => null));
    expect(far.heard.heartbeats.map(({ sequence }) => sequence)).toEqual(far.heard.heartbeats.map((_, index) => index + 1));
    const before = await driver.inventory();
    driver.inventory = async () => ({ ...before, vcpus: 8 });
    await expect.poll(() => far.heard.heartbeats.some(({ inventory }) => inventory?.vcpus === 8)).toBe(true);
    const count = far.heard.heartbeats.length;
    await expect.poll(() => far.heard.heartbeats.length).toBeGreaterThan(count + 3);
    expect(far.heard.heartbeats.filter(({ inventory }) => inventory !== null)).toHaveLength(1);
  });

  test('a hypervisor that hangs does not make the host look dead', async () => {
    const far = await aFarSide();
    const { driver, service } = await anAgent({ broker: far.broker, config: { driverWaitMs: 50 } });
    await expect.poll(() => far.heard.heartbeats.length).toBeGreaterThan(0);
    driver.faults.set({ rule: { effect: 'wedge' } });
    await expect.poll(async () => (await service.health()).checks['driver']?.ok).toBe(false);
    const count = far.heard.heartbeats.length;
    await expect.poll(() => far.heard.heartbeats.length).toBeGreaterThan(count + 2);
  });

  test('a hypervisor that hangs is asked for its domains once, and looked at again when it answers', async () => {
    const far = await aFarSide();
    let asked = 0;
    let answer = () => {};
    const wrap = (driver: FakeDriver) => {
      const list = driver.list.bind(driver);
      driver.list = async () => {
        asked += 1;
        if (asked === 1) await new Promise<void>((resolve) => (answer = resolve));
        return list();
      };
      return driver;
    };
    const config = { driverWaitMs: 10, domainReportMs: 10, domainRefreshRounds: 1 };
    await anAgent({ broker: far.broker, config, wrap });
    await expect.poll(() => far.heard.heartbeats.length).toBeGreaterThan(5);
    expect(asked).toBe(1);
    expect(far.heard.domains).toEqual([]);
    answer();
    await expect.poll(() => far.heard.domains.length).toBeGreaterThan(1);
    expect(asked).toBeGreaterThan(1);
  });

  test('everything that runs is told in pieces, round after round, and nothing is told as such', async () => {
    const far = await aFarSide();
    const { driver } = await anAgent({ broker: far.broker, config: { domainPieceSize: 2, domainReportMs: 50 } });
    await expect.poll(() => far.heard.domains[0]).toMatchObject({ host: HOST, last: true, domains: [] });
    const specs = Array.from({ length: 5 }, () => aSpawn().spec);
    for (const spec of specs) await driver.ensureRunning(spec, { signal: new AbortController().signal });
    const piecesOf = (wanted: number) => far.heard.domains.filter(({ round }) => round === wanted);
    const domainsIn = (round: number) => piecesOf(round).flatMap(({ domains }) => domains);
    const whole = () => {
      const found = far.heard.domains.find(({ round }) => domainsIn(round).length === 5 && piecesOf(round).at(-1)?.last === true);
      return found === undefined ? undefined : piecesOf(found.round);
    };
    await expect.poll(whole).toBeDefined();
    const pieces = whole()!;
    expect(pieces.map(({ last, domains }) => [domains.length, last])).toEqual([
      [2, false],
      [2, false],
      [1, true],
    ]);
    expect(
      pieces
        .flatMap(({ domains }) => domains)
        .map(({ uuid }) => uuid)
        .toSorted(),
    ).toEqual(specs.map(({ uuid }) => uuid).toSorted());
    expect(pieces[0]?.domains[0]).toMatchObject({ generation: 1, power: powerState.running });
    const rounds = far.heard.domains.map(({ round }) => round);
    expect(rounds).toEqual(rounds.toSorted((a, b) => a - b));
  });

  test('what runs is told for several looks when it changed, after a return, and now and then although nothing changed', async () => {
    const far = await aFarSide();
    /** How many rounds had been told when each look began. */
    const told: number[] = [];
    const wrap = (driver: FakeDriver) => {
      const list = driver.list.bind(driver);
      driver.list = () => {
        told.push(far.heard.domains.length);
        return list();
      };
      return driver;
    };
    const config = { domainReportMs: 10, domainRepeats: 2, domainRefreshRounds: 5 };
    const { driver, transport } = await anAgent({ broker: far.broker, config, wrap });
    /** Numbers of the looks that were told, from 1. */
    const toldLooks = () => told.slice(1).flatMap((count, index) => (count > told[index]! ? [index + 1] : []));
    await expect.poll(() => toldLooks().length).toBeGreaterThan(3);
    expect(toldLooks().slice(0, 4)).toEqual([1, 2, 7, 12]);

    await driver.ensureRunning(aSpawn().spec, { signal: new AbortController().signal });
    const firstOfChange = () => far.heard.domains.findIndex(({ domains }) => domains.length === 1);
    await expect.poll(() => firstOfChange() >= 0 && toldLooks().length > firstOfChange() + 2).toBe(true);
    const looks = toldLooks();
    const changed = firstOfChange();
    expect([looks[changed + 1]! - looks[changed]!, looks[changed + 2]! - looks[changed]!]).toEqual([1, 6]);

    transport.cut();
    const before = far.heard.domains.length;
    transport.restore();
    await expect.poll(() => far.heard.registrations.length).toBe(2);
    await expect.poll(() => far.heard.domains.length).toBeGreaterThan(before);
  });

  test('the connection comes back within what the conductor says, and never later than allowed here', async () => {
    const far = await aFarSide();
    far.behaviour.spreadMs = 40_000;
    const { transport } = await anAgent({
      broker: far.broker,
      config: { domainReportMs: 10, domainRefreshRounds: 1, returnMaxMs: 50_000 },
    });
    await expect.poll(() => transport.returnMs).toBe(40_000);
    far.behaviour.spreadMs = 600_000;
    await expect.poll(() => transport.returnMs).toBe(50_000);
  });

  test('a host on which nothing ran and nothing runs has nothing to tell after a return', async () => {
    const far = await aFarSide();
    const config = { domainReportMs: 10, domainRepeats: 1, domainRefreshRounds: 10_000 };
    const { transport } = await anAgent({ broker: far.broker, config });
    await expect.poll(() => far.heard.domains.length).toBe(1);
    transport.cut();
    transport.restore();
    await expect.poll(() => far.heard.registrations.length).toBe(2);
    const beats = far.heard.heartbeats.length;
    await expect.poll(() => far.heard.heartbeats.length).toBeGreaterThan(beats + 5);
    expect(far.heard.domains).toHaveLength(1);
  });
});
