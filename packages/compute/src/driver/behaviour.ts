import { powerState, type DomainSpec, type TransferProgress } from '@kilonova/objects';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { aSpec } from '../testing.ts';
import { canMove, NoSuchDomain, type Driver } from './driver.ts';

export interface DriverBench {
  readonly driver: Driver;
  /** The same hypervisor, seen by a driver that was started anew after the former was killed. */
  restart(): Promise<Driver>;
  /** Makes the next verb that makes or starts a domain hang until it is aborted. */
  hangNextSpawn(): void;
  close(): Promise<void>;
}

const toAnother = { destination: 'fake://other/x', graceMs: 0, hurry: new AbortController().signal, onProgress: () => undefined };

/** What the verbs of a driver mean. Every driver passes. */
export function describeDriver(setUp: () => Promise<DriverBench>): void {
  describe('a driver', () => {
    let bench: DriverBench;
    let driver: Driver;
    beforeEach(async () => {
      bench = await setUp();
      driver = bench.driver;
    });
    afterEach(() => bench.close());

    const bound = () => ({ signal: new AbortController().signal });
    const targetOf = ({ uuid, generation }: DomainSpec) => ({ uuid, generation });
    const seen = async (uuid: string) => (await driver.list()).find((domain) => domain.uuid === uuid);

    test('tells what the host has to offer', async () => {
      const inventory = await driver.inventory();
      expect(inventory.vcpus).toBeGreaterThan(0);
      expect(inventory.memoryMb).toBeGreaterThan(0);
      expect(inventory.diskGb).toBeGreaterThan(0);
      expect(inventory.hypervisorType).toMatch(/./);
    });

    test('ensureRunning makes a domain that runs, and saying it twice makes one', async () => {
      const spec = aSpec();
      const first = await driver.ensureRunning(spec, bound());
      const second = await driver.ensureRunning(spec, bound());
      expect(first).toEqual({ ...targetOf(spec), power: powerState.running });
      expect(second).toEqual(first);
      expect((await driver.list()).filter(({ uuid }) => uuid === spec.uuid)).toHaveLength(1);
    });

    test('ensureRunning starts a domain that is stopped', async () => {
      const spec = aSpec();
      await driver.ensureRunning(spec, bound());
      await driver.ensureStopped(targetOf(spec), { ...bound(), graceMs: 0 });
      await driver.ensureRunning(spec, bound());
      expect(await seen(spec.uuid)).toMatchObject({ power: powerState.running });
    });

    test('ensureRunning replaces a domain of an older generation and refuses to replace a newer one', async () => {
      const old = aSpec({ generation: 1 });
      const young = { ...old, generation: 3 };
      await driver.ensureRunning(old, bound());
      await driver.ensureRunning(young, bound());
      expect(await seen(old.uuid)).toMatchObject({ generation: 3 });
      await expect(driver.ensureRunning(old, bound())).rejects.toThrow(/generation 3/);
      expect(await seen(old.uuid)).toMatchObject({ generation: 3 });
    });

    test('stop and start are wanted ends: each may be said twice', async () => {
      const spec = aSpec();
      await driver.ensureRunning(spec, bound());
      for (let time = 0; time < 2; time += 1) {
        expect(await driver.ensureStopped(targetOf(spec), { ...bound(), graceMs: 10 })).toMatchObject({ power: powerState.shutdown });
      }
      for (let time = 0; time < 2; time += 1) {
        expect(await driver.ensureStarted(targetOf(spec), bound())).toMatchObject({ power: powerState.running });
      }
    });

    test.each(['soft', 'hard'] as const)('a %s reboot ends with a running domain', async (kind) => {
      const spec = aSpec();
      await driver.ensureRunning(spec, bound());
      expect(await driver.reboot(targetOf(spec), { ...bound(), kind, graceMs: 10 })).toMatchObject({ power: powerState.running });
    });

    test('power verbs on a domain that is absent, or of another generation, say so and change nothing', async () => {
      const spec = aSpec({ generation: 2 });
      const verbs = (target: { uuid: string; generation: number }) => [
        () => driver.ensureStarted(target, bound()),
        () => driver.ensureStopped(target, { ...bound(), graceMs: 0 }),
        () => driver.reboot(target, { ...bound(), kind: 'hard', graceMs: 0 }),
      ];
      for (const verb of verbs(targetOf(spec))) await expect(verb()).rejects.toBeInstanceOf(NoSuchDomain);
      await driver.ensureRunning(spec, bound());
      for (const generation of [1, 3]) {
        for (const verb of verbs({ uuid: spec.uuid, generation })) await expect(verb()).rejects.toBeInstanceOf(NoSuchDomain);
      }
      expect(await seen(spec.uuid)).toEqual({ ...targetOf(spec), power: powerState.running });
    });

    test('ensureAbsent removes a domain, and does not mind when there is none', async () => {
      const spec = aSpec();
      await driver.ensureAbsent(targetOf(spec), bound());
      await driver.ensureRunning(spec, bound());
      await driver.ensureAbsent(targetOf(spec), bound());
      await driver.ensureAbsent(targetOf(spec), bound());
      expect(await seen(spec.uuid)).toBeUndefined();
    });

    test('ensureAbsent reaches older generations and leaves newer ones alone', async () => {
      const spec = aSpec({ generation: 2 });
      await driver.ensureRunning(spec, bound());
      await driver.ensureAbsent({ uuid: spec.uuid, generation: 1 }, bound());
      expect(await seen(spec.uuid)).toMatchObject({ generation: 2 });
      await driver.ensureAbsent({ uuid: spec.uuid, generation: 3 }, bound());
      expect(await seen(spec.uuid)).toBeUndefined();
    });

    test('domains go on when their driver is killed and started anew', async () => {
      const running = aSpec();
      const stopped = aSpec();
      const removed = aSpec();
      for (const spec of [running, stopped, removed]) await driver.ensureRunning(spec, bound());
      await driver.ensureStopped(targetOf(stopped), { ...bound(), graceMs: 0 });
      await driver.ensureAbsent(targetOf(removed), bound());
      driver = await bench.restart();
      expect(await seen(running.uuid)).toMatchObject({ power: powerState.running });
      expect(await seen(stopped.uuid)).toMatchObject({ power: powerState.shutdown });
      expect(await seen(removed.uuid)).toBeUndefined();
    });

    test('a guest that moves leaves a stopped domain, and what was prepared becomes it', async ({ skip }) => {
      if (!canMove(driver)) return skip();
      const spec = aSpec({ generation: 1 });
      await driver.ensureRunning(spec, bound());
      const out = { ...bound(), ...toAnother, live: false };
      for (let time = 0; time < 2; time += 1)
        expect(await driver.migrateOut(targetOf(spec), out)).toMatchObject({ generation: 1, power: powerState.shutdown });
      const incoming = aSpec({ generation: 2 });
      expect((await driver.prepareIncoming(incoming, bound())).destination).not.toBe('');
      expect(await seen(incoming.uuid)).toMatchObject({ generation: 2, power: powerState.none });
      for (const sent of [true, false]) {
        const came = await driver.finishIncoming(incoming, { ...bound(), live: false, running: true, sent });
        expect(came).toMatchObject({ generation: 2, power: powerState.running });
      }
    });

    test('a guest that moves live says how far it is, and at the end that nothing is left', async ({ skip }) => {
      if (!canMove(driver)) return skip();
      const spec = aSpec();
      const told: TransferProgress[] = [];
      await driver.ensureRunning(spec, bound());
      await driver.migrateOut(targetOf(spec), { ...bound(), ...toAnother, live: true, onProgress: (progress) => void told.push(progress) });
      expect(told.length).toBeGreaterThan(0);
      for (const { memoryTotalBytes, memoryProcessedBytes, memoryRemainingBytes } of told) {
        expect(memoryTotalBytes).toBe(spec.memoryMb * 1_048_576);
        expect(memoryProcessedBytes + memoryRemainingBytes).toBeGreaterThanOrEqual(memoryTotalBytes);
      }
      expect(told.at(-1)).toMatchObject({ memoryRemainingBytes: 0, diskRemainingBytes: 0 });
    });

    test('what nobody sent is not there', async ({ skip }) => {
      if (!canMove(driver)) return skip();
      const spec = aSpec();
      const how = { ...bound(), live: true, running: true };
      await expect(driver.finishIncoming(spec, { ...how, sent: true })).rejects.toBeInstanceOf(NoSuchDomain);
      await driver.prepareIncoming(spec, bound());
      await expect(driver.finishIncoming(spec, { ...how, sent: false })).rejects.toBeInstanceOf(NoSuchDomain);
    });

    test('takeBack makes a domain of an older generation the one that is meant, and needs one', async ({ skip }) => {
      if (!canMove(driver)) return skip();
      const spec = aSpec({ generation: 2 });
      await expect(driver.takeBack(spec, { ...bound(), running: true })).rejects.toBeInstanceOf(NoSuchDomain);
      await driver.ensureRunning({ ...spec, generation: 1 }, bound());
      await driver.takeBack(spec, { ...bound(), running: false });
      expect(await seen(spec.uuid)).toEqual({ ...targetOf(spec), power: powerState.shutdown });
      await expect(driver.takeBack({ ...spec, generation: 1 }, { ...bound(), running: true })).rejects.toBeInstanceOf(NoSuchDomain);
    });

    test('a verb that is aborted ends with the reason', async () => {
      const abort = new AbortController();
      bench.hangNextSpawn();
      const verb = driver.ensureRunning(aSpec(), { signal: abort.signal });
      abort.abort(new Error('enough'));
      await expect(verb).rejects.toThrow('enough');
    });
  });
}
