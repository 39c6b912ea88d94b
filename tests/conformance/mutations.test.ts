import { afterAll, beforeAll, expect, test } from 'vitest';
import { contractRows, minor, readContract } from './contract.ts';
import { pathOf } from './requests.ts';
import { startTestApi, type TestApi } from './test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

type Json = unknown;

/** What clients send by mistake or on purpose in place of a value. */
const oddities: readonly Json[] = [null, true, -1, 1e30, '', ' ', 'x'.repeat(300), '\u{1F600}', [], [null], {}, { a: { b: [] } }];

/** Every document that differs from `value` in one place. */
function* mutations(value: Json): Generator {
  yield* oddities;
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) for (const other of mutations(item)) yield value.with(at, other);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    for (const other of mutations(item)) yield { ...value, [key]: other };
    const { [key]: _left, ...rest } = value as Record<string, Json>;
    yield rest;
    yield { ...rest, [`${key}\u00e9`]: item };
  }
}

/** The newest sample of each call is enough: older ones differ little. */
const newest = new Map(
  contractRows('samples/index.tsv')
    .filter((row) => row['kind'] === 'request' && minor(row['microversion']) <= 96)
    .toSorted((one, other) => minor(one['microversion']) - minor(other['microversion']))
    .map((row) => [`${row['method']} ${row['path']} ${row['action']}`, row] as const),
);

test.each([...newest].map(([call, row]) => ({ call, row })))('no mutation of the body of $call breaks anything', async ({ row }) => {
  const { method = '', path = '', sample = '' } = row;
  const version = minor(row['microversion']);
  const broken: string[] = [];
  const bodies = [...mutations(JSON.parse(readContract(`samples/${sample}`)))];
  // A few at a time: the order does not matter.
  for (let at = 0; at < bodies.length; at += 16) {
    const batch = bodies.slice(at, at + 16);
    const answers = await Promise.all(batch.map((body) => api.ask(method, `/v2.1${pathOf(method, path, version)}`, { version, body })));
    broken.push(...answers.flatMap(({ status, text }, index) => (status >= 500 ? [`${JSON.stringify(batch[index])} -> ${text}`] : [])));
  }
  expect(broken).toEqual([]);
});
