import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';

/** Seventy files that a process without a config file need not load. */
const loadYaml = () => createRequire(import.meta.url)('yaml') as typeof Yaml;

/** One `key: value`; `place` is `FILE:LINE`. */
export interface FileEntry {
  readonly key: string;
  readonly value: unknown;
  readonly place: string;
}

export interface FileSection {
  readonly name: string;
  readonly place: string;
  /** Undefined when the section is not a mapping. */
  readonly entries: readonly FileEntry[] | undefined;
}

/** The sections of a YAML config file, and what is wrong with it, also that it cannot be read. */
export function readConfigFile(file: string): { readonly sections: readonly FileSection[]; readonly problems: readonly string[] } {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    return { sections: [], problems: [`cannot read the config file ${file}: ${(error as Error).message}`] };
  }
  const { isMap, isNode, isScalar, LineCounter, parseDocument } = loadYaml();
  const lines = new LineCounter();
  const document = parseDocument(content, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number | undefined) => `${file}:${lines.linePos(offset ?? 0).line}`;
  const placeOf = (node: unknown) => at(isNode(node) ? node.range?.[0] : undefined);
  if (document.errors.length > 0)
    return { sections: [], problems: document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`) };
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) return { sections: [], problems: [] };
  if (!isMap(root)) return { sections: [], problems: [`${placeOf(root)}: expected a mapping of sections`] };

  const nameOf = (node: unknown) => (isScalar(node) ? String(node.value) : '');
  const sections = root.items.map(({ key: name, value: body }): FileSection => {
    const place = placeOf(name);
    if (body === null || (isScalar(body) && body.value === null)) return { name: nameOf(name), place, entries: [] };
    if (!isMap(body)) return { name: nameOf(name), place, entries: undefined };
    const entries = body.items.map(({ key, value }) => ({
      key: nameOf(key),
      value: isNode(value) ? value.toJS(document) : null,
      place: placeOf(key),
    }));
    return { name: nameOf(name), place, entries };
  });
  return { sections, problems: [] };
}
