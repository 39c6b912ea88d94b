import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decoderFor, encoderFor } from '@kilonova/rpc';
import { expect, test } from 'vitest';
import { history, MAJOR, MINOR } from '../history.ts';
import { classes, samplesOf } from './files.ts';

const folder = fileURLToPath(new URL('../../samples/', import.meta.url));
const stored = (minor: number) => readdirSync(`${folder}${MAJOR}.${minor}`).map((name) => `${MAJOR}.${minor}/${name}`);
const minors = history.map(({ minor }) => minor);
const cure = (minor: number) =>
  minor === MINOR ? 'run npm run samples -w packages/objects' : 'what was sent before stays as it was: add a minor';

test('the history numbers its minors without a gap', () => {
  expect(minors).toEqual(minors.map((_minor, at) => at));
});

test.each(minors)('what we send as minor %i has the shape of its samples', (minor) => {
  for (const [name, text] of samplesOf(minor)) expect(readFileSync(folder + name, 'utf8'), `${name}: ${cure(minor)}`).toBe(text);
});

test.each(minors)('samples of minor %i are understood, and come back as they were', (minor) => {
  for (const name of stored(minor).filter((path) => !path.includes('/contract-'))) {
    const type = classes.get(name.slice(name.indexOf('/') + 1, -'.json'.length));
    expect(type, `${name} is a sample of no message class`).toBeDefined();
    const plain: unknown = JSON.parse(readFileSync(folder + name, 'utf8'));
    expect(encoderFor(type!, minor)(decoderFor(type!, minor)(plain)), name).toEqual(plain);
  }
});
