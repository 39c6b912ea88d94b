import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { WatchedProcesses } from './processes.ts';

function aFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-watch-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('processes of one kind count together, from a folder and by name', () => {
  const folder = aFolder();
  writeFileSync(join(folder, 'conductor-1.pid'), `${process.pid}\n`);
  writeFileSync(join(folder, 'conductor-2.pid'), `${process.pid}\n`);
  const watched = WatchedProcesses.of([folder, `database=${process.pid}`]);
  expect(watched.names).toEqual(['conductor', 'database']);
  // The time of this very process, which has done something by now.
  const { conductor, database } = watched.read();
  expect(conductor).toBeGreaterThan(0);
  expect(database).toBeGreaterThan(0);
});

test.each([
  { title: 'no folder and no name', spec: '/nowhere/at/all', says: 'expected NAME=PID or a folder' },
  { title: 'something that is no process id', spec: 'database=yes', says: 'expected NAME=PID' },
  { title: 'a process that does not run', spec: 'database=4194305', says: 'database has the process 4194305, which does not run' },
])('$title is refused with what was expected', ({ spec, says }) => {
  expect(() => WatchedProcesses.of([spec])).toThrow(says);
});

test('a folder without process ids is refused', () => {
  expect(() => WatchedProcesses.of([aFolder()])).toThrow('holds no NAME.pid file');
});
