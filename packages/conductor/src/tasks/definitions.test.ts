import { expect, test } from 'vitest';
import { moveStories } from '../testing/stories/moves.ts';
import { serverStories } from '../testing/stories/servers.ts';
import type { Stage } from '../testing/story.ts';
import { taskDefinitions } from './definitions.ts';

const stories = [serverStories, moveStories].flatMap((storiesOf) => storiesOf({} as Stage));
const definitions = taskDefinitions.keys.map((key) => {
  const [kind, version] = key.split('/') as [string, string];
  return taskDefinitions.get(kind, Number(version))!;
});

test.each(definitions)('$kind is driven through its mishaps by a story', ({ kind }) => {
  expect(stories.filter(({ brief, drives }) => drives.includes(kind) && brief !== true)).not.toEqual([]);
});

/** What a delete orders takes back everything else: nothing comes after it. */
const LAST = 'delete-instance/askRemove';

test('every order of every task is overtaken by its undo in a story', () => {
  const given = definitions.flatMap(({ kind, steps }) => steps.filter((step) => step.kind === 'cast').map(({ name }) => `${kind}/${name}`));
  const overtaken = stories.flatMap(({ orders = [] }) => orders.map(({ kind, step }) => `${kind}/${step}`));
  expect([...overtaken, LAST].toSorted()).toEqual(given.toSorted());
});
