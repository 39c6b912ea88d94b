import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { moveStories } from '../testing/stories/moves.ts';
import { serverStories } from '../testing/stories/servers.ts';
import type { Stage } from '../testing/story.ts';
import { taskDefinitions } from './definitions.ts';

const stories = [serverStories, moveStories].flatMap((storiesOf) => storiesOf({} as Stage));
/** A story that needs more than the others to begin with is told where that is. */
const elsewhere = ['./moves/live-queue.test.ts', './moves/silent-hosts.test.ts'].map((file) =>
  readFileSync(new URL(file, import.meta.url), 'utf8'),
);
const definitions = taskDefinitions.keys.map((key) => {
  const [kind, version] = key.split('/') as [string, string];
  return taskDefinitions.get(kind, Number(version))!;
});
const kinds = [...new Set(definitions.map(({ kind }) => kind))];

test.each(kinds)('%s is driven through its mishaps by a story', (kind) => {
  const told = stories.some(({ brief, drives }) => brief !== true && drives.includes(kind));
  expect(told || elsewhere.some((text) => text.includes(`drives: ['${kind}']`))).toBe(true);
});

/** What a delete orders takes back everything else: nothing comes after it. */
const LAST = 'delete-instance/askRemove';

/** Of tasks that go on asking, whose orders come behind others of the same verb: silent-hosts.test.ts. */
const OVERTAKEN_ELSEWHERE = ['settle-cold-move/askFinish', 'settle-live-move/askFinish', 'settle-revert/askTakeBack'];

test('every order of every task is overtaken by its undo in a story', () => {
  const given = definitions.flatMap(({ kind, steps }) => steps.filter((step) => step.kind === 'cast').map(({ name }) => `${kind}/${name}`));
  const overtaken = stories.flatMap(({ orders = [] }) => orders.map(({ kind, step }) => `${kind}/${step}`));
  expect([...overtaken, ...OVERTAKEN_ELSEWHERE, LAST].toSorted()).toEqual([...new Set(given)].toSorted());
});
