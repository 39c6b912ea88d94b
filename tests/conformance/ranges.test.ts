import { afterAll, beforeAll, expect, test } from 'vitest';
import { contractRows, minor } from './contract.ts';
import { bodyOf, pathOf } from './requests.ts';
import { startTestApi, type TestApi } from './test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

/** Calls that came later than 2.1 or ended, with a microversion just outside. Variants of one call share its route. */
const outside = contractRows('endpoints.tsv')
  .filter(({ path = '' }) => !/^\/os-services\/[a-z]/.test(path))
  .flatMap(({ method = '', path = '', action = '', min_microversion: from, max_microversion: to }) => [
    ...(minor(from) > 1 ? [{ method, path, action, version: minor(from) - 1 }] : []),
    ...(to ? [{ method, path, action, version: minor(to) + 1 }] : []),
  ]);

test.each(outside)('$method $path $action does not exist at 2.$version', async ({ method, path, action, version }) => {
  const answer = await api.ask(method, `/v2.1${pathOf(method, path, version)}`, { version, body: bodyOf(method, path, action, version) });
  expect(answer.status).toBe(404);
  expect(answer.body).toEqual({ itemNotFound: { code: 404, message: 'The resource could not be found.' } });
});
