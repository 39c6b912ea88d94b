import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FolderInUse, lockFolder } from './folder-lock.ts';
import { identityOf } from './process-identity.ts';

const folders = mkdtempSync(join(tmpdir(), 'kilonova-locks-'));
afterAll(() => rmSync(folders, { recursive: true }));

const aFolder = () => mkdtempSync(join(folders, 'one-'));
const lockOf = (folder: string) => join(folder, 'lock');

/** The identity of a process that has ended. */
const aDeadProcess = async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const identity = identityOf(child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  if (identity === undefined) throw new Error('the process had ended before it could be looked at');
  return identity;
};

test('a free folder is locked and let go of without a trace', () => {
  const folder = aFolder();
  const lock = lockFolder(folder);
  expect(lock.tookOver).toBe(false);
  expect(existsSync(lockOf(folder))).toBe(true);
  lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test('a folder whose holder lives is refused, naming the holder', () => {
  const folder = aFolder();
  lockFolder(folder);
  expect(() => lockFolder(folder)).toThrow(FolderInUse);
  expect(() => lockFolder(folder)).toThrow(`${folder} is in use by process ${process.pid}`);
  expect(readdirSync(folder)).toEqual(['lock']);
});

test('the lock of a killed process is taken over', async () => {
  const folder = aFolder();
  writeFileSync(lockOf(folder), JSON.stringify(await aDeadProcess()));
  expect(lockFolder(folder).tookOver).toBe(true);
});

test('a lock whose process id belongs to another process by now is taken over', () => {
  const folder = aFolder();
  writeFileSync(lockOf(folder), JSON.stringify({ pid: process.pid, began: 'in another life' }));
  expect(lockFolder(folder).tookOver).toBe(true);
});

test.each(['{"pid": 1', ''])('a lock torn by a crash of the machine (%j) is taken over', (content) => {
  const folder = aFolder();
  writeFileSync(lockOf(folder), content);
  expect(lockFolder(folder).tookOver).toBe(true);
});

test('a lock that somebody took over meanwhile is not removed by the former holder', () => {
  const folder = aFolder();
  const lock = lockFolder(folder);
  const other = JSON.stringify({ pid: 1, began: 'another' });
  writeFileSync(lockOf(folder), other);
  lock.release();
  expect(readFileSync(lockOf(folder), 'utf8')).toBe(other);
});
