import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultsOf, seededRandom, silentLogger, systemClock } from '@kilonova/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { aFolder, aSpec } from '../../testing.ts';
import { describeDriver } from '../behaviour.ts';
import { fakeSection, type FakeConfig } from './config.ts';
import { FakeDriver } from './fake-driver.ts';
import { matchesHost, parseFaults } from './faults.ts';

const aDriver = (folder: string, config: Partial<FakeConfig> = {}, host = 'host-1') =>
  new FakeDriver({ host, folder, config: defaultsOf(fakeSection, config), clock: systemClock, random: seededRandom(1), log: silentLogger });

const bound = () => ({ signal: new AbortController().signal });

describe('the fake driver', () => {
  describeDriver(async () => {
    const folder = aFolder();
    const driver = aDriver(folder);
    return {
      driver,
      restart: async () => aDriver(folder),
      hangNextSpawn: () => driver.faults.set({ once: { verb: 'spawn', effect: 'hang', count: 1 } }),
      close: () => driver.close(),
    };
  });

  test('a change that a crash cut in half did not happen, and the next one is kept', async () => {
    const folder = aFolder();
    const [first, second] = [aSpec(), aSpec()];
    await aDriver(folder).ensureRunning(first, bound());
    appendFileSync(join(folder, 'fake-domains.jsonl'), `{"uuid":"${second.uuid}","gene`);
    await aDriver(folder).ensureRunning(second, bound());
    expect((await aDriver(folder).list()).map(({ uuid }) => uuid).toSorted()).toEqual([first.uuid, second.uuid].toSorted());
  });

  test('a rule strikes the hosts and verbs it names, as often as it says', async () => {
    const rule = { host: 'host-*', verb: 'spawn', effect: 'fail', count: 2, message: 'no such image' } as const;
    const struck = aDriver(aFolder(), { faults: { rule } });
    const spared = aDriver(aFolder(), { faults: { rule } }, 'other-1');
    await expect(struck.ensureRunning(aSpec(), bound())).rejects.toThrow('no such image');
    await expect(struck.ensureRunning(aSpec(), bound())).rejects.toThrow('no such image');
    await struck.ensureRunning(aSpec(), bound());
    await spared.ensureRunning(aSpec(), bound());
    expect(await struck.list()).toHaveLength(1);
  });

  test('a spawn that fails after the fact has made its domain', async () => {
    const driver = aDriver(aFolder(), { faults: { rule: { verb: 'spawn', effect: 'fail-after' } } });
    await expect(driver.ensureRunning(aSpec(), bound())).rejects.toThrow(/fault injected into spawn/);
    expect(await driver.list()).toHaveLength(1);
  });

  test('rules in the control file replace the others while it is there', async () => {
    const folder = aFolder();
    const driver = aDriver(folder, { controlPollMs: 1 });
    writeFileSync(join(folder, 'fake-control.json'), JSON.stringify({ rule: { verb: 'spawn', effect: 'fail', message: 'by order' } }));
    await expect
      .poll(() =>
        driver.ensureRunning(aSpec(), bound()).then(
          () => 'spawned',
          (error: Error) => error.message,
        ),
      )
      .toBe('by order');
    onTestFinished(() => driver.close());
    writeFileSync(join(folder, 'fake-control.json'), '');
    await expect
      .poll(() =>
        driver.ensureRunning(aSpec(), bound()).then(
          () => 'spawned',
          (error: Error) => error.message,
        ),
      )
      .toBe('spawned');
  });

  test('a host that differs offers what its pattern says, and the rest as all', async () => {
    const driver = aDriver(aFolder(), { capacity: { 'big-*': { vcpus: 512 } } }, 'big-7');
    expect(await driver.inventory()).toMatchObject({ vcpus: 512, memoryMb: fakeSection.options.memoryMb.default });
  });

  test.each([
    {
      title: 'an unknown effect',
      rules: { r: { effect: 'explode' } },
      says: 'r.effect: expected one of fail, fail-after, hang, wedge, delay, found "explode"',
    },
    { title: 'a rule without effect', rules: { r: { verb: 'spawn' } }, says: 'r: expected a mapping with the key effect' },
    { title: 'a misspelt key', rules: { r: { effect: 'fail', propability: 1 } }, says: /r\.propability: expected one of host, verb/ },
    {
      title: 'a probability above 1',
      rules: { r: { effect: 'fail', probability: 2 } },
      says: 'r.probability: expected a number from 0 to 1, found 2',
    },
  ])('$title is refused by name', ({ rules, says }) => {
    expect(() => parseFaults(rules)).toThrow(says);
  });

  test('only the star is special in a host pattern', () => {
    expect(matchesHost('host-*', 'host-12')).toBe(true);
    expect(matchesHost('host.1', 'hostx1')).toBe(false);
    expect(matchesHost('host-1', 'host-12')).toBe(false);
  });
});
