// api-docs.ts   writes the API reference, docs/api/ and docs/limits.md, from the doc comments of what was built.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readApi, type ApiItem } from './api-model.ts';
import { limitsPage } from './limits-page.ts';
import { packageFolder } from './packed.ts';

interface Page {
  readonly file: string;
  readonly title: string;
  readonly holds: (item: ApiItem) => boolean;
}

/** Each export is on the first page that holds it. */
const PAGES: readonly Page[] = [
  { file: 'errors.md', title: 'Errors', holds: ({ module }) => module === 'errors' },
  { file: 'oslo.md', title: 'oslo.messaging', holds: ({ module }) => module.startsWith('oslo/') },
  { file: 'notifications.md', title: 'Notifications', holds: ({ module }) => module.startsWith('notifications/') },
  { file: 'rabbitmq.md', title: 'RabbitMQ', holds: ({ module }) => module.startsWith('amqp/') },
  { file: 'in-process.md', title: 'In one process, and tests', holds: ({ module }) => module.startsWith('in-process/') },
  { file: 'core.md', title: 'Contracts, clients, servers', holds: () => true },
];

const items = readApi();
const folder = join(packageFolder, 'docs', 'api');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

const pageOf = (item: ApiItem) => PAGES.find(({ holds }) => holds(item)) as Page;
const index = ['# API of @kilonova/rpc', '', 'Made from the doc comments by `npm run docs -w packages/rpc`.', ''];
for (const page of PAGES.toReversed()) {
  const held = items.filter((item) => pageOf(item) === page);
  if (held.length === 0) continue;
  writeFileSync(join(folder, page.file), [`# ${page.title}`, '', ...held.flatMap(section)].join('\n'));
  index.push(`## [${page.title}](${page.file})`, '');
  for (const { name, doc } of held) index.push(`- [\`${name}\`](${page.file}#${name.toLowerCase()}): ${summary(doc)}`);
  index.push('');
}
writeFileSync(join(folder, 'README.md'), index.join('\n'));
writeFileSync(join(packageFolder, 'docs', 'limits.md'), limitsPage(items));
console.log(`${items.length} exports in ${folder}`);

function section({ name, signature, doc, members }: ApiItem): string[] {
  const lines = [`## ${name}`, '', '```ts', signature, '```', ''];
  if (doc !== '') lines.push(withThrows(doc), '');
  for (const member of members) lines.push(...memberLines(member));
  return members.length === 0 ? lines : [...lines, ''];
}

function memberLines({ signature, doc }: ApiItem): string[] {
  const line = `- \`${signature.replace(/\s+/g, ' ').replace(/;$/, '')}\``;
  return doc === '' ? [line] : [`${line}<br>`, withThrows(doc).replace(/^(?=.)/gm, '  ')];
}

/** TSDoc's blocks as plain sentences. */
function withThrows(doc: string): string {
  return doc
    .replace(/@throws\s+/g, 'Throws ')
    .replace(/@returns\s+/g, 'Returns ')
    .replace(/@param (\w+) - /g, '`$1`: ');
}

/** The first sentence. */
function summary(doc: string): string {
  const [paragraph = ''] = doc.split('\n\n');
  return /^.*?\.(?=\s|$)/s.exec(paragraph)?.[0].replace(/\s+/g, ' ') ?? paragraph.replace(/\s+/g, ' ');
}
