/**
 * While two releases run side by side, a conductor of either may take over any task in the middle. Its row holds the number of the step:
 * so a definition that was released keeps its steps, and what shall go another way gets a higher version.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { taskDefinitions } from './definitions.ts';

const releases = JSON.parse(readFileSync(fileURLToPath(new URL('../../../../releases.json', import.meta.url)), 'utf8')) as readonly {
  readonly tasks: Readonly<Record<string, readonly string[]>>;
}[];

test.each(Object.entries(releases.at(-1)!.tasks))('%s takes the steps that it took in the last release', (key, steps) => {
  const [kind = '', version] = key.split('/');
  const definition = taskDefinitions.get(kind, Number(version));
  expect(
    definition?.steps.map((step) => `${step.kind} ${step.name}`),
    `${key}: leave it and add a higher version`,
  ).toEqual(steps);
});
