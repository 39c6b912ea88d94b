import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { aFolder } from '../testing.ts';
import { JournalInUse, lockJournal } from './lock.ts';

describe('the lock of a journal', () => {
  test('keeps a second agent off until the first lets go, also in the same process', () => {
    const folder = aFolder();
    const lock = lockJournal(folder);
    expect(() => lockJournal(folder)).toThrow(JournalInUse);
    lock.release();
    lockJournal(folder).release();
  });

  test('of a living process holds, of a killed one it is taken over', async () => {
    const folder = aFolder();
    const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const stat = readFileSync(`/proc/${holder.pid}/stat`, 'utf8');
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: holder.pid, began: `${boot}:${ticks}` }));
    expect(() => lockJournal(folder)).toThrow(`in use by the agent in process ${holder.pid}`);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    lockJournal(folder).release();
  });

  test.each([
    { title: 'a process id that another process got since', content: JSON.stringify({ pid: process.pid, began: 'an-earlier-boot:1' }) },
    { title: 'a file that a crash of the machine tore', content: '{"pid":12' },
    { title: 'an empty file', content: '' },
  ])('$title holds nothing', ({ content }) => {
    const folder = aFolder();
    writeFileSync(join(folder, 'lock'), content);
    lockJournal(folder);
    expect(() => lockJournal(folder)).toThrow(JournalInUse);
  });
});
