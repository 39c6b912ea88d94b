import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '@kilonova/objects';
import { describe, expect, test } from 'vitest';
import { FileStorage, type JournalStorage } from '../journal/storage.ts';
import { aFarSide, aFolder, anAgent, aPowerOrder, aReboot, aRemoval, aSpawn } from '../testing.ts';

/** What is on the disk, and what the conductor knows, at the moment of a crash. */
interface CrashPoint {
  readonly title: string;
  readonly folder: string;
  readonly accepted: ReadonlySet<string>;
  /** Numbers that may have been told, with their operation. */
  readonly numbers: ReadonlyMap<number, string>;
}

/** A life in orders, and how each must end. The last instance is spawned by an order that was taken back before it came. */
function aStory() {
  const stays = aSpawn();
  const goes = aSpawn();
  const fails = aSpawn();
  const late = aSpawn();
  const orders = [
    { method: 'spawn', order: stays, outcome: 'done' },
    { method: 'powerOff', order: aPowerOrder(stays.instanceUuid), outcome: 'done' },
    { method: 'spawn', order: goes, outcome: 'done' },
    { method: 'powerOn', order: aPowerOrder(stays.instanceUuid), outcome: 'done' },
    { method: 'reboot', order: aReboot(goes.instanceUuid), outcome: 'done' },
    { method: 'powerOn', order: aPowerOrder(fails.instanceUuid), outcome: 'failed' },
    { method: 'remove', order: aRemoval(goes.instanceUuid), outcome: 'done' },
    { method: 'remove', order: aRemoval(late.instanceUuid, { undoes: late.operationId }), outcome: 'done' },
    { method: 'spawn', order: late, outcome: 'failed' },
    { method: 'powerOff', order: aPowerOrder(stays.instanceUuid), outcome: 'done' },
  ] as const;
  // The agents that come later must not find the time of an order used up, however slow the machine is.
  for (const { order } of orders) order.allowedMs = 3_600_000;
  return { orders, domains: [{ uuid: stays.instanceUuid, generation: 1, power: 4 }] };
}

const send = (
  orders: Readonly<Record<string, (order: never) => Promise<void>>>,
  method: string,
  order: Operation,
): Promise<void> | undefined => orders[method]?.(order as never);

describe('an agent that is killed', () => {
  test(
    'at any record of its journal, before or after it is written or synced, goes on as if nothing had been',
    { timeout: 60_000 },
    async () => {
      const story = aStory();
      const far = await aFarSide();
      const stateDir = aFolder();
      const points: CrashPoint[] = [];
      const crashHere = (title: string) => {
        const folder = aFolder();
        for (const name of ['journal', 'fake-domains.jsonl']) {
          if (existsSync(join(stateDir, name))) copyFileSync(join(stateDir, name), join(folder, name));
        }
        const numbers = new Map(far.heard.reports.map(({ number, operationId }) => [number, operationId]));
        points.push({ title: `${points.length}: ${title}`, folder, accepted: new Set(far.heard.accepted), numbers });
      };
      const file = new FileStorage(stateDir);
      const storage: JournalStorage = {
        path: file.path,
        open: () => file.open(),
        truncate: (length) => file.truncate(length),
        append: async (bytes) => {
          crashHere(`before ${bytes.toString('utf8', 0, 60)}`);
          await file.append(bytes);
          crashHere(`after ${bytes.toString('utf8', 0, 60)}`);
        },
        sync: () => file.sync().finally(() => crashHere('after the sync')),
        replace: (bytes) => file.replace(bytes),
        close: () => file.close(),
      };
      const first = await anAgent({ broker: far.broker, stateDir, storage });
      for (const { method, order, outcome } of story.orders) {
        await send(far.orders, method, order);
        expect(await far.outcomeOf(order)).toMatchObject({ outcome });
      }
      await expect.poll(() => far.heard.accepted.size).toBe(story.orders.length);
      expect(await first.driver.list()).toEqual(story.domains);
      await first.service.stop();
      expect(points.length).toBeGreaterThan(3 * story.orders.length);

      for (const { title, folder, accepted, numbers } of points) {
        const again = await aFarSide();
        const second = await anAgent({ broker: again.broker, stateDir: folder });
        // The conductor sends again what it knows no outcome of, and the broker repeats some of the rest.
        for (const [index, { method, order, outcome }] of story.orders.entries()) {
          const known = accepted.has(order.operationId);
          if (known && index % 2 === 0) continue;
          await send(again.orders, method, order);
          const report = await again.outcomeOf(order);
          expect({ title, outcome: report.outcome }).toEqual({ title, outcome });
        }
        const domains = await second.driver.list();
        expect({ title, domains }).toEqual({ title, domains: story.domains });
        for (const { number, operationId } of again.heard.reports) {
          expect([undefined, operationId], `${title}: number ${number} was used twice`).toContain(numbers.get(number));
        }
        await second.service.stop();
        await second.driver.close();
        await second.transport.close();
      }
    },
  );
});
