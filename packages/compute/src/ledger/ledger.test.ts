import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { aFarSide, anAgent, aPowerOrder, aRemoval, aSpawn } from '../testing.ts';
import { Ledger, type LedgerRecord } from './ledger.ts';
import type { Order, Outcome } from './order.ts';

const limits = { rememberedPerInstance: 4, tombstoneMs: 1_000, maxTombstones: 2 };

const anOrder = (operationId: string, instanceUuid: string, acceptedAt = 0, verb: 'remove' | 'powerOn' = 'powerOn'): Order => {
  const head = { operationId, instanceUuid, generation: 1, requestId: 'r', allowedMs: 1_000, acceptedAt };
  return verb === 'remove' ? { ...head, verb, undoes: null } : { ...head, verb };
};

const anOutcome = (number: number, finishedAt = 0): Outcome => ({
  number,
  result: 'done',
  power: 1,
  message: '',
  details: '',
  startedAt: 0,
  finishedAt,
});

/** One operation from its order to the conductor's word. */
const aLife = (operationId: string, instanceUuid: string, number: number, at = 0, present = true): LedgerRecord[] => {
  const operation = { operationId, instanceUuid };
  return [
    { kind: 'accepted', order: anOrder(operationId, instanceUuid, at) },
    { kind: 'finished', operation, outcome: anOutcome(number, at), present },
    { kind: 'settled', operation },
  ];
};

const ledgerOf = (...records: readonly LedgerRecord[]) => {
  const ledger = new Ledger('host-1', limits);
  for (const record of records) ledger.apply(record);
  return ledger;
};

describe('the ledger', () => {
  test('a snapshot says the same as the records it replaces', () => {
    const records = [
      ...aLife('a1', 'a', 1),
      ...aLife('a2', 'a', 2).slice(0, 2),
      ...aLife('b1', 'b', 3, 5, false),
      { kind: 'accepted', order: anOrder('b2', 'b', 6, 'remove') } as const,
      { kind: 'accepted', order: anOrder('c1', 'c') } as const,
    ];
    const before = ledgerOf(...records);
    const after = ledgerOf(...(JSON.parse(JSON.stringify([...before.snapshot()])) as LedgerRecord[]));
    expect([...after.snapshot()]).toEqual([...before.snapshot()]);
    expect([...after.unfinished()]).toEqual([...before.unfinished()]);
    expect([...after.unreported.keys()]).toEqual(['a2']);
    expect(after.nextNumber(0)).toBe(4);
  });

  test('numbers only go up, also over a clock that goes back and a journal that was lost', () => {
    const ledger = ledgerOf(...aLife('a1', 'a', 900));
    expect(ledger.nextNumber(0)).toBe(901);
    expect(ledger.nextNumber(1_700_000_000_000)).toBe(1_700_000_000);
  });

  test('of settled operations it remembers the last few of an instance', () => {
    const ledger = ledgerOf(...[1, 2, 3, 4, 5, 6].flatMap((number) => aLife(`a${number}`, 'a', number)));
    expect([1, 2, 3, 4, 5, 6].filter((number) => ledger.operation(`a${number}`) !== undefined)).toEqual([3, 4, 5, 6]);
  });

  test('tombstones go when they are old or too many, never an instance that may have a domain or is not settled', () => {
    const ledger = ledgerOf(
      ...aLife('p1', 'present', 1, 0),
      ...aLife('u1', 'unsettled', 2, 0, false).slice(0, 2),
      ...aLife('o1', 'old', 3, 100, false),
      ...aLife('x1', 'first', 4, 2_000, false),
      ...aLife('y1', 'second', 5, 2_001, false),
      ...aLife('z1', 'third', 6, 2_002, false),
    );
    expect(ledger.forgettable(2_500)).toEqual(['old', 'first']);
    expect(ledger.forgettable(3_002)).toEqual(['old', 'first', 'second']);
  });

  test('the journal of another host is refused', () => {
    expect(() => ledgerOf({ kind: 'journal', format: 1, host: 'host-2', lastNumber: 0 })).toThrow(/belongs to host host-2/);
  });

  test('the file of an agent stays small over many instances, keeps nobody from reading it but its owner, and still knows', async () => {
    const far = await aFarSide();
    const config = { compactBytes: 20_000, maxTombstones: 10, rememberedPerInstance: 4 };
    const first = await anAgent({ broker: far.broker, config });
    const stays = aSpawn();
    await far.orders.spawn(stays);
    for (let round = 0; round < 120; round += 1) {
      const spawn = aSpawn();
      await far.orders.spawn(spawn);
      await far.orders.powerOff(aPowerOrder(spawn.instanceUuid));
      const removal = aRemoval(spawn.instanceUuid);
      await far.orders.remove(removal);
      await far.outcomeOf(removal); // leaves heartbeats the time to forget
    }
    await expect.poll(() => far.heard.accepted.size, { timeout: 10_000 }).toBe(361);
    await first.service.stop();
    await first.transport.close();
    const path = join(first.stateDir, 'journal');
    expect(statSync(path).size).toBeLessThan(120_000);
    expect(statSync(path).mode & 0o077).toBe(0);
    expect(readFileSync(path, 'utf8')).toContain(stays.instanceUuid);
    const second = await anAgent({ broker: far.broker, stateDir: first.stateDir, config });
    const off = aPowerOrder(stays.instanceUuid);
    await far.orders.powerOff(off);
    expect(await far.outcomeOf(off)).toMatchObject({ outcome: 'done' });
    expect(await second.driver.list()).toEqual([{ uuid: stays.instanceUuid, generation: 1, power: 4 }]);
  });
});
