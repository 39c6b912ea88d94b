import { afterAll, beforeAll, expect, test } from 'vitest';
import { Schemas } from '../../packages/api/src/schema/validator.ts';
import { contractRows, minor, readContract } from './contract.ts';
import { PROJECT } from './canned-conductor.ts';
import { bodyOf, pathOf } from './requests.ts';
import { startTestApi, type Answer, type TestApi } from './test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const schemas = new Schemas((file) => readContract(`schemas/${file}`));
const index = contractRows('schemas/index.tsv').filter((row) => minor(row['min_microversion']) <= 96);

/** First and last microversion of every range that a response schema has, and the ends of what is served. */
const edges = (row: Record<string, string>) => [
  ...new Set([Math.max(1, minor(row['min_microversion'])), Math.min(96, minor(row['max_microversion']))]),
];

/** The version document needs no schema here; no server has a network whose addresses could be shown. */
const elsewhere = new Set(['/', '/servers/{server_id}/ips/{id}']);

/** `PUT /os-services/enable` and the like are variants of `PUT /os-services/{id}`. */
const cases = contractRows('endpoints.tsv')
  .filter(({ path = '' }) => !elsewhere.has(path) && !/^\/os-services\/[a-z]/.test(path))
  .flatMap((endpoint) => {
    const { method = '', path = '', action = '' } = endpoint;
    const ranges = index.filter(
      (row) => row['kind'] === 'response' && row['method'] === method && row['path'] === path && row['action'] === action,
    );
    const from = minor(endpoint['min_microversion']);
    const to = Math.min(96, minor(endpoint['max_microversion']));
    const versions = [...new Set([from, to, ...ranges.flatMap(edges)])].filter((version) => version >= from && version <= to);
    return versions.flatMap((version) =>
      ['admin', 'member'].map((token) => ({ method, path, action, version, token, success: endpoint['success'] ?? '' })),
    );
  });

const isPolicyRefusal = ({ status, text }: Answer) => status === 403 && /Policy doesn't allow \S+ to be performed\./.test(text);

const successAt = (text: string, version: number): number[] =>
  text.split(',').flatMap((part) => {
    const [status = '', range] = part.split('@');
    if (range === undefined) return [Number(status.slice(0, 3))];
    const [from = '2.1', to = ''] = range.split('-');
    return minor(from) <= version && version <= minor(to) ? [Number(status)] : [];
  });

test.each(cases)(
  '$method $path $action as $token at 2.$version answers as the contract says',
  async ({ method, path, action, version, token, success }) => {
    const answer = await api.ask(method, `/v2.1/${PROJECT}${pathOf(method, path, version)}`, {
      token,
      version,
      body: bodyOf(method, path, action, version),
    });
    const refused = token === 'member' && isPolicyRefusal(answer);
    expect(answer.status < 300 || refused ? 'answered' : answer.text).toBe('answered');
    expect([...successAt(success, version), ...(refused ? [403] : [])]).toContain(answer.status);
    expect(answer.headers.get('OpenStack-API-Version')).toBe(`compute 2.${version}`);
    expect(answer.headers.get('X-OpenStack-Nova-API-Version')).toBe(`2.${version}`);
    const file = refused ? undefined : schemas.find(method, path, action, 'response', version);
    if (file !== undefined) schemas.check(file, answer.body ?? null, 'field/attribute');
  },
);

/** The resource in an answer: what stands below its one key, the first of a list. */
function resourceOf(body: unknown): object {
  const [value] = Object.entries(body as object).flatMap(([key, found]) => (/_?links$/.test(key) ? [] : [found as unknown]));
  const first = Array.isArray(value) ? (value[0] as unknown) : value;
  return typeof first === 'object' && first !== null ? first : {};
}

/** Keys of these are data, or depend on what was asked: with_servers, a fault, another host. */
const free = new Set(['fault', 'servers', 'deleted', 'private_key', 'uptime', 'hosts']);
const dataOnly =
  /metadata|extra_specs|extra-specs|server-ips|no-servers|v2\.69|disable-log|scheduler-hints|os-security-groups|multiple-create|error|down/;

const sampleCases = contractRows('samples/index.tsv')
  .filter(
    (row) =>
      row['kind'] === 'response' &&
      minor(row['microversion']) <= 96 &&
      !elsewhere.has(row['path'] ?? '') &&
      !dataOnly.test(row['sample'] ?? ''),
  )
  .map(({ sample = '', method = '', path = '', action = '', microversion }) => ({
    sample,
    method,
    path,
    action,
    version: minor(microversion),
  }));

test.each(sampleCases)('$method $path at 2.$version shows every field of $sample', async ({ sample, method, path, action, version }) => {
  const answer = await api.ask(method, `/v2.1${pathOf(method, path, version)}`, { version, body: bodyOf(method, path, action, version) });
  const wanted = Object.keys(resourceOf(JSON.parse(readContract(`samples/${sample}`)))).filter((key) => !free.has(key));
  expect(Object.keys(resourceOf(answer.body))).toEqual(expect.arrayContaining(wanted));
});
