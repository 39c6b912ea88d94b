// Copies what the api needs of the API contract: `node scripts/import-contract.mjs FOLDER`, where FOLDER holds endpoints.tsv,
// policies.tsv, extra-specs.tsv, schemas/ and samples/. Request and query schemas go to data/ (needed at run time), response
// schemas, samples and the endpoint rows to the conformance tests.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = process.argv[2];
if (source === undefined) {
  process.stderr.write('usage: node import-contract.mjs FOLDER, the folder that holds endpoints.tsv\n');
  process.exit(2);
}
const here = dirname(fileURLToPath(import.meta.url));
const data = join(here, '..', 'data');
const conformance = join(here, '..', '..', '..', 'tests', 'conformance', 'contract');

/** The calls that the api has routes for; an action stands behind its path. */
const PATHS = [
  '/',
  '/extensions',
  '/extensions/{id}',
  '/flavors',
  '/flavors/detail',
  '/flavors/{id}',
  '/flavors/{id}/action',
  '/flavors/{flavor_id}/os-extra_specs',
  '/flavors/{flavor_id}/os-extra_specs/{id}',
  '/flavors/{flavor_id}/os-flavor-access',
  '/limits',
  '/os-aggregates',
  '/os-aggregates/{id}',
  '/os-aggregates/{id}/action',
  '/os-availability-zone',
  '/os-availability-zone/detail',
  '/os-hypervisors',
  '/os-hypervisors/detail',
  '/os-hypervisors/statistics',
  '/os-hypervisors/{id}',
  '/os-hypervisors/{id}/search',
  '/os-hypervisors/{id}/servers',
  '/os-hypervisors/{id}/uptime',
  '/os-keypairs',
  '/os-keypairs/{id}',
  '/os-migrations',
  '/os-quota-class-sets/{id}',
  '/os-quota-sets/{id}',
  '/os-quota-sets/{id}/detail',
  '/os-quota-sets/{id}/defaults',
  '/os-server-groups',
  '/os-server-groups/{id}',
  '/os-services',
  '/os-services/{id}',
  '/os-services/enable',
  '/os-services/disable',
  '/os-services/disable-log-reason',
  '/os-services/force-down',
  '/servers',
  '/servers/detail',
  '/servers/{id}',
  '/servers/{server_id}/ips',
  '/servers/{server_id}/ips/{id}',
  '/servers/{server_id}/metadata',
  '/servers/{server_id}/metadata/{id}',
  '/servers/{server_id}/migrations',
  '/servers/{server_id}/migrations/{id}',
  '/servers/{server_id}/migrations/{id}/action',
  '/servers/{server_id}/os-instance-actions',
  '/servers/{server_id}/os-instance-actions/{id}',
  '/servers/{server_id}/tags',
  '/servers/{server_id}/tags/{id}',
];
const SERVER_ACTIONS = [
  ...['os-start', 'os-stop', 'reboot', 'lock', 'unlock', 'os-resetState', 'forceDelete'],
  ...['resize', 'confirmResize', 'revertResize', 'migrate', 'os-migrateLive', 'evacuate'],
];
/** Known paths of which only these methods have routes yet. */
const ONLY = { '/servers/{server_id}/tags': ['GET'], '/servers/{server_id}/tags/{id}': ['GET'] };

const has = ({ method, path, action }) =>
  (PATHS.includes(path) && (ONLY[path]?.includes(method) ?? true)) || (path === '/servers/{id}/action' && SERVER_ACTIONS.includes(action));

const readTable = (name) => {
  const [head, ...lines] = readFileSync(join(source, name), 'utf8').trimEnd().split('\n');
  const columns = head.split('\t');
  const rows = lines
    .map((line) => line.split('\t'))
    .map((cells) => Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? ''])));
  return { columns, rows };
};
const writeTable = (folder, name, columns, rows) => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, name),
    [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((cells) => `${cells.join('\t')}\n`).join(''),
  );
};
const copyJson = (from, to) => {
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, `${JSON.stringify(JSON.parse(readFileSync(from, 'utf8')))}\n`);
};

rmSync(data, { recursive: true, force: true });
rmSync(conformance, { recursive: true, force: true });

const schemas = readTable('schemas/index.tsv');
for (const [folder, wanted] of [
  [join(data, 'schemas'), (row) => row.kind !== 'response'],
  [join(conformance, 'schemas'), (row) => row.kind === 'response'],
]) {
  const rows = schemas.rows.filter((row) => has(row) && wanted(row));
  writeTable(folder, 'index.tsv', schemas.columns, rows);
  for (const file of new Set(rows.map((row) => row.file))) copyJson(join(source, 'schemas', file), join(folder, file));
}

const samples = readTable('samples/index.tsv');
const kept = samples.rows.filter((row) => has(row) && row.microversion !== '' && row.schema_check === 'ok');
writeTable(join(conformance, 'samples'), 'index.tsv', samples.columns, kept);
for (const row of kept) copyJson(join(source, 'samples', row.sample), join(conformance, 'samples', row.sample));

const endpoints = readTable('endpoints.tsv');
const columns = ['method', 'path', 'action', 'min_microversion', 'max_microversion', 'success', 'policies'];
writeTable(conformance, 'endpoints.tsv', columns, endpoints.rows.filter(has));

const policies = readTable('policies.tsv');
writeTable(data, 'policies.tsv', ['policy', 'check_string'], policies.rows);
const specs = readTable('extra-specs.tsv');
writeTable(data, 'extra-specs.tsv', specs.columns, specs.rows);
copyJson(join(source, 'samples/extension-info/extensions-list-resp-v21-compatible.json'), join(data, 'extensions.json'));

const notice = `The files in this folder come from OpenStack Nova (https://opendev.org/openstack/nova), copyright OpenStack contributors,
licensed under the Apache License, Version 2.0 (https://www.apache.org/licenses/LICENSE-2.0). They are data, unchanged apart
from selection and serialisation. Made by packages/api/scripts/import-contract.mjs.
`;
for (const folder of [data, conformance]) writeFileSync(join(folder, 'LICENSE-NOTICE'), notice);
