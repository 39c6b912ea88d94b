import { afterAll, beforeAll, expect, test } from 'vitest';
import { contractRows, minor, readContract } from './contract.ts';
import { PROJECT, SERVER } from './canned-conductor.ts';
import { images } from './outside-services.ts';
import { startTestApi, type TestApi } from './test-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const rows = contractRows('samples/index.tsv').filter((row) => row['kind'] === 'request' && minor(row['microversion']) <= 96);

/** Samples that ask for what there is no service for: refused in words of the handler, not of the schema. */
const noVolumes = '400 {"badRequest":{"code":400,"message":"Block Device Mapping is Invalid';
const noCertificates = '400 {"badRequest":{"code":400,"message":"Image signature certificate validation is not supported';
const refused: Readonly<Record<string, string>> = {
  'servers/v2.32/server-create-req.json': noVolumes,
  'servers/v2.42/server-create-req.json': noVolumes,
  'servers/v2.67/server-create-req.json': noVolumes,
  'servers/v2.63/server-create-req.json': noCertificates,
  'servers/v2.66/server-create-req.json': noCertificates,
};

const idOf: Readonly<Record<string, string>> = {
  '/os-services/{id}': 'e81d66a4-ddd3-4aba-8a84-171d1cb4d339',
  '/os-quota-sets/{id}': PROJECT,
  '/os-quota-class-sets/{id}': 'default',
  '/os-aggregates/{id}/action': '1',
  '/os-aggregates/{id}': '1',
  '/flavors/{flavor_id}/os-extra_specs/{id}': 'hw:numa_nodes',
  '/servers/{server_id}/metadata/{id}': 'foo',
  '/servers/{server_id}/migrations/{id}/action': '1',
};

const pathOf = (path: string) =>
  path
    .replace('{flavor_id}', '1')
    .replace('{server_id}', SERVER)
    .replace('{id}', idOf[path] ?? (path.startsWith('/flavors') ? '10' : SERVER));

/** The image of the samples is the one that the image service has. */
const adapted = (text: string) => text.replaceAll(/"imageRef":"[^"]*"/g, `"imageRef":"${images.active}"`);

test.each(rows.map((row) => ({ sample: row['sample']!, method: row['method']!, path: row['path']!, version: minor(row['microversion']) })))(
  '$method $path takes the sample $sample',
  async ({ sample, method, path, version }) => {
    const old = /os-services\/(?:v2\.11\/)?service-(.+)-put-req/.exec(sample)?.[1];
    const target =
      path === '/os-services/{id}' && version < 53 && old !== undefined
        ? `/os-services/${{ 'disable-log': 'disable-log-reason' }[old] ?? old}`
        : pathOf(path);
    const answer = await api.ask(method, `/v2.1${target}`, { version, body: adapted(readContract(`samples/${sample}`)) });
    expect(answer.status < 300 ? 'taken' : `${answer.status} ${answer.text}`).toContain(refused[sample] ?? 'taken');
  },
);
