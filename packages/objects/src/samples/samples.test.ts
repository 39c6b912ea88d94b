import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decoderFor, encoderFor } from '@kilonova/rpc';
import { expect, test } from 'vitest';
import { history, MAJOR, MINOR } from '../history.ts';
import { classes, samplesOf } from './files.ts';
import { changedSince, lastTag } from './released.ts';

const folder = fileURLToPath(new URL('../../samples/', import.meta.url));
const stored = (minor: number) => readdirSync(`${folder}${MAJOR}.${minor}`).map((name) => `${MAJOR}.${minor}/${name}`);
const minors = history.map(({ minor }) => minor);

test('the history numbers its minors without a gap', () => {
  expect(minors).toEqual(minors.map((_minor, at) => at));
});

test.each(minors)('what we send as minor %i has the shape of its samples', (minor) => {
  for (const [name, text] of samplesOf(minor))
    expect(readFileSync(folder + name, 'utf8'), `${name}: run npm run samples -w packages/objects`).toBe(text);
});

test.each(minors)('samples of minor %i are understood, and come back as they were', (minor) => {
  for (const name of stored(minor).filter((path) => !path.includes('/contract-'))) {
    const type = classes.get(name.slice(name.indexOf('/') + 1, -'.json'.length));
    expect(type, `${name} is a sample of no message class`).toBeDefined();
    const plain: unknown = JSON.parse(readFileSync(folder + name, 'utf8'));
    expect(encoderFor(type!, minor)(decoderFor(type!, minor)(plain)), name).toEqual(plain);
  }
});

test('a sample that was released stays as it was', () => {
  const tag = lastTag();
  // Before the first release there is nothing to keep.
  const broken = tag === null ? [] : changedSince(tag, 'packages/objects/samples/');
  expect(broken, `changed since ${tag}: add minor ${MINOR + 1} to history.ts instead`).toEqual([]);
});

test('a released sample that changes or vanishes is noticed, a new one is not', () => {
  const root = mkdtempSync(join(tmpdir(), 'kilonova-samples-'));
  const shell = (script: string) => execFileSync('sh', ['-ec', script], { cwd: root, stdio: 'pipe' });
  shell(`git init -q . && git config user.name t && git config user.email t@example.org && mkdir -p samples/1.0 && cd samples/1.0
    echo 1 > changed.json && echo 1 > gone.json && echo 1 > kept.json && git add . && git commit -qm one && git tag v1
    echo 2 > changed.json && rm gone.json && echo 1 > new.json && git add -A . && git commit -qm two`);
  try {
    expect(lastTag(root)).toBe('v1');
    expect(changedSince('v1', 'samples/', root)).toEqual(['samples/1.0/changed.json', 'samples/1.0/gone.json']);
  } finally {
    rmSync(root, { recursive: true });
  }
});
