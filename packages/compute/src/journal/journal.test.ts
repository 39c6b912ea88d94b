import { appendFileSync, copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '@kilonova/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { aFolder } from '../testing.ts';
import { JournalDamaged } from './frame.ts';
import { Journal } from './journal.ts';
import { FileStorage, type JournalStorage } from './storage.ts';

interface Note {
  readonly key: string;
  readonly value: number;
}

/** A journal whose meaning is a map: the latest value of each key. */
async function openMap(
  folder: string,
  { compactBytes = 1_000_000, storage = new FileStorage(folder) }: { compactBytes?: number; storage?: JournalStorage } = {},
) {
  const map = new Map<string, number>();
  onTestFinished(() => storage.close());
  const journal = await Journal.open<Note>({
    storage,
    compactBytes,
    log: silentLogger,
    replay: ({ key, value }) => map.set(key, value),
    snapshot: () => [...map].map(([key, value]) => ({ key, value })),
  });
  const put = (key: string, value: number) => {
    map.set(key, value);
    return journal.append({ key, value });
  };
  return { journal, map, put };
}

const pathOf = (folder: string) => join(folder, 'journal');

describe('the journal', () => {
  test('gives back every record that append promised, in order', async () => {
    const folder = aFolder();
    const { put } = await openMap(folder);
    await put('a', 1);
    await Promise.all([put('b', 2), put('a', 3), put('c', 4)]);
    // Not closed: the process is gone.
    expect([...(await openMap(folder)).map]).toEqual([
      ['a', 3],
      ['b', 2],
      ['c', 4],
    ]);
  });

  test('many records that come together share one sync', async () => {
    const { journal, put } = await openMap(aFolder());
    await Promise.all(Array.from({ length: 500 }, (_, index) => put(`k${index}`, index)));
    expect(journal.syncs).toBeLessThanOrEqual(2);
  });

  test('a record given at the moment a turn ends is written as well', async () => {
    const folder = aFolder();
    const { put } = await openMap(folder);
    for (let index = 0; index < 20; index += 1) await put('a', index).then(() => put('b', index));
    expect([...(await openMap(folder)).map]).toEqual([
      ['a', 19],
      ['b', 19],
    ]);
  });

  test('an append settles only after its bytes are synced', async () => {
    const folder = aFolder();
    const file = new FileStorage(folder);
    const events: string[] = [];
    const storage: JournalStorage = {
      path: file.path,
      open: () => file.open(),
      truncate: (length) => file.truncate(length),
      append: (bytes) => file.append(bytes).finally(() => events.push('append')),
      sync: () => file.sync().finally(() => events.push('sync')),
      replace: (bytes) => file.replace(bytes),
      close: () => file.close(),
    };
    const { put } = await openMap(folder, { storage });
    events.length = 0;
    await put('a', 1);
    events.push('settled');
    expect(events).toEqual(['append', 'sync', 'settled']);
  });

  test('a tail torn at any byte of the last record costs that record and nothing else, and the journal goes on', async () => {
    const folder = aFolder();
    const { journal, put } = await openMap(folder);
    await put('a', 1);
    const before = statSync(pathOf(folder)).size;
    await put('b', 2);
    await journal.close();
    const whole = readFileSync(pathOf(folder));
    for (let length = before; length < whole.length; length += 1) {
      const torn = aFolder();
      writeFileSync(pathOf(torn), whole.subarray(0, length));
      const again = await openMap(torn);
      expect([...again.map], `torn at ${length}`).toEqual([['a', 1]]);
      await again.put('c', 3);
      await again.journal.close();
      const last = await openMap(torn);
      expect([...last.map], `after going on from ${length}`).toEqual([
        ['a', 1],
        ['c', 3],
      ]);
      await last.journal.close();
    }
  });

  test('a last record whose bytes are wrong is a torn tail too', async () => {
    const folder = aFolder();
    const { put } = await openMap(folder);
    await put('a', 1);
    appendFileSync(pathOf(folder), `${'0'.repeat(16)} 2 {"key":"b","value":2}\n`);
    expect([...(await openMap(folder)).map]).toEqual([['a', 1]]);
  });

  test('damage in front of records that were written later is no torn tail: the journal is refused', async () => {
    const folder = aFolder();
    const { put } = await openMap(folder);
    for (const key of ['a', 'b', 'c', 'd']) await put(key, 1);
    const bytes = readFileSync(pathOf(folder));
    bytes[bytes.indexOf('"b"') + 1] = 'x'.charCodeAt(0);
    writeFileSync(pathOf(folder), bytes);
    await expect(openMap(folder)).rejects.toBeInstanceOf(JournalDamaged);
    expect(readFileSync(pathOf(folder))).toEqual(bytes);
  });

  test('so is damage within a batch, in front of a single later one', async () => {
    const folder = aFolder();
    const { put } = await openMap(folder);
    await Promise.all([put('a', 1), put('b', 1)]);
    await put('c', 1);
    const bytes = readFileSync(pathOf(folder));
    bytes[bytes.indexOf('"b"') + 1] = 'x'.charCodeAt(0);
    writeFileSync(pathOf(folder), bytes);
    await expect(openMap(folder)).rejects.toBeInstanceOf(JournalDamaged);
  });

  test('a batch of which only a middle record did not reach the disk is a torn tail', async () => {
    const folder = aFolder();
    const { put } = await openMap(folder);
    await put('a', 1);
    await Promise.all([put('b', 1), put('c', 1), put('d', 1)]);
    const bytes = readFileSync(pathOf(folder));
    const from = bytes.lastIndexOf(0x0a, bytes.indexOf('"c"')) + 1;
    bytes.fill(0, from, bytes.indexOf(0x0a, from));
    writeFileSync(pathOf(folder), bytes);
    expect([...(await openMap(folder)).map]).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });

  test('a large journal is written anew and keeps what counts', async () => {
    const folder = aFolder();
    const { put } = await openMap(folder, { compactBytes: 2_000 });
    for (let value = 0; value < 400; value += 1) await put(`k${value % 4}`, value);
    expect(statSync(pathOf(folder)).size).toBeLessThan(3_000);
    expect([...(await openMap(folder)).map]).toEqual([
      ['k0', 396],
      ['k1', 397],
      ['k2', 398],
      ['k3', 399],
    ]);
  });

  test.each(['before', 'after'] as const)('a crash %s the new journal takes its place loses nothing that was promised', async (moment) => {
    const folder = aFolder();
    const crashed = aFolder();
    const file = new FileStorage(folder);
    let crash = false;
    const storage: JournalStorage = {
      path: file.path,
      open: () => file.open(),
      truncate: (length) => file.truncate(length),
      append: (bytes) => file.append(bytes),
      sync: () => file.sync(),
      replace: async (bytes) => {
        if (moment === 'after') await file.replace(bytes);
        copyFileSync(pathOf(folder), pathOf(crashed));
        if (moment === 'before') writeFileSync(`${pathOf(crashed)}.new`, bytes.subarray(0, bytes.length / 2));
        crash = true;
        return new Promise(() => undefined);
      },
      close: () => file.close(),
    };
    const { put } = await openMap(folder, { compactBytes: 1_024, storage });
    const promised = new Map<string, number>();
    let last = -1;
    for (let value = 0; !crash; value += 1) {
      last = value;
      void put(`k${value % 3}`, value).then(() => promised.set(`k${value % 3}`, value));
      await expect.poll(() => crash || promised.get(`k${value % 3}`) === value, { interval: 1 }).toBe(true);
    }
    const found = (await openMap(crashed)).map;
    for (const [key, value] of promised) expect([value, last]).toContain(found.get(key));
  });

  test('after a failed write nothing is promised any more', async () => {
    const folder = aFolder();
    const file = new FileStorage(folder);
    let full = false;
    const storage: JournalStorage = {
      path: file.path,
      open: () => file.open(),
      truncate: (length) => file.truncate(length),
      append: (bytes) => (full ? Promise.reject(new Error('no space left on device')) : file.append(bytes)),
      sync: () => file.sync(),
      replace: (bytes) => file.replace(bytes),
      close: () => file.close(),
    };
    const { journal, put } = await openMap(folder, { storage });
    await put('a', 1);
    full = true;
    await expect(put('b', 2)).rejects.toThrow(/no space left/);
    full = false;
    await expect(put('c', 3)).rejects.toThrow(/no space left/);
    expect(journal.failure?.message).toContain(file.path);
    expect([...(await openMap(folder)).map]).toEqual([['a', 1]]);
  });
});
