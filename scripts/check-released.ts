// What was released stays as it was: golden samples and migrations, byte for byte, and the type of every field that travels.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brokenFields, declaredFields } from './declared-fields.ts';
import { assertHistory, changedSince, filesAt, lastRelease } from './releases.ts';
import { root as ownRoot } from './tools-node.mjs';

/** The list of migrations grows. */
const FROZEN = ['packages/objects/samples', 'packages/conductor/src/db/migrations', ':!packages/conductor/src/db/migrations/index.ts'];
const MESSAGES = ['packages/objects/src/objects', 'packages/objects/src/contracts'];

const root = process.argv[2] ?? ownRoot;
try {
  const release = lastRelease(root);
  assertHistory(root, release);
  const changed = changedSince(root, release.commit, FROZEN).map(
    (path) => `${path}: is part of release ${release.version} and must stay as it is: add a minor, or a migration`,
  );
  const released = fieldsOf([...filesAt(root, release.commit, MESSAGES).values()]);
  const broken = brokenFields(released, fieldsOf(MESSAGES.flatMap((path) => sourcesBelow(join(root, path)))));
  const complaints = [...changed, ...broken.map((what) => `${what}: add a field with \`since\` beside it`)];
  for (const complaint of complaints) console.error(complaint);
  process.exitCode = complaints.length === 0 ? 0 : 1;
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}

function fieldsOf(sources: readonly string[]): ReadonlyMap<string, string> {
  return new Map(sources.flatMap((source) => [...declaredFields(source)]));
}

function sourcesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
}
