import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from './packed.ts';

export interface Snippet {
  /** A path that says where it stands, like `docs-testing-2.ts` or `README-2/contract.ts`. */
  readonly path: string;
  readonly code: string;
}

const BLOCK = /<!-- ts\n(?<given>[^]*?)-->|^```ts(?: (?<file>\S+))?\n(?<code>[^]*?)^```$/gm;

/**
 * The TypeScript of the guides. The blocks of a section of second order are one module, in their order, one after the
 * other; but blocks that name a file (` ```ts contract.ts `) are each that file. What a section takes as given stands
 * before them in a comment, `<!-- ts … -->`.
 */
export function guideSnippets(): readonly Snippet[] {
  const docs = readdirSync(join(packageFolder, 'docs')).filter((file) => file.endsWith('.md'));
  return ['README.md', ...docs.map((file) => join('docs', file))].flatMap((guide) =>
    readFileSync(join(packageFolder, guide), 'utf8')
      .split(/^(?=## )/m)
      .flatMap((section, index) => snippetsOf(section, `${guide.replace(/\.md$/, '').replaceAll('/', '-')}-${index}`)),
  );
}

function snippetsOf(section: string, name: string): readonly Snippet[] {
  const blocks = [...section.matchAll(BLOCK)].map(({ groups = {} }) => groups);
  const files = blocks.flatMap(({ file, code = '' }) => (file === undefined ? [] : [{ path: `${name}/${file}`, code }]));
  const rest = blocks.filter(({ file }) => file === undefined).map(({ given, code }) => given ?? code);
  return rest.length === 0 ? files : [...files, { path: `${name}.ts`, code: `${rest.join('\n')}\nexport {};\n` }];
}
