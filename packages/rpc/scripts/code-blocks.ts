import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from './packed.ts';

export interface Snippet {
  /** A file name that says where it stands, like `docs-testing-2.ts`. */
  readonly name: string;
  readonly code: string;
}

const BLOCK = /<!-- ts\n(?<given>[^]*?)-->|^```ts\n(?<code>[^]*?)^```$/gm;

/**
 * The TypeScript of the guides, a module for each section of second order: its blocks in their order, one after the
 * other. What a section takes as given stands before them in a comment, `<!-- ts … -->`.
 */
export function guideSnippets(): readonly Snippet[] {
  const docs = readdirSync(join(packageFolder, 'docs')).filter((file) => file.endsWith('.md'));
  return ['README.md', ...docs.map((file) => join('docs', file))].flatMap((path) =>
    readFileSync(join(packageFolder, path), 'utf8')
      .split(/^(?=## )/m)
      .flatMap((section, index) => {
        const parts = [...section.matchAll(BLOCK)].map(({ groups }) => groups?.['given'] ?? groups?.['code'] ?? '');
        if (parts.length === 0) return [];
        return [{ name: `${path.replace(/\.md$/, '').replaceAll('/', '-')}-${index}.ts`, code: `${parts.join('\n')}\nexport {};\n` }];
      }),
  );
}
