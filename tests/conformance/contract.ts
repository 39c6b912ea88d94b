import { readFileSync } from 'node:fs';

const folder = new URL('./contract/', import.meta.url);

export const readContract = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

export type Row = Readonly<Record<string, string>>;

export function contractRows(name: string): readonly Row[] {
  const [head = '', ...lines] = readContract(name).trimEnd().split('\n');
  const columns = head.split('\t');
  return lines.map((line) => {
    const cells = line.split('\t');
    return Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? '']));
  });
}

/** `2.53` as 53; the last one served when empty. */
export const minor = (text: string | undefined, otherwise = 96): number => (text ? Number(text.slice(text.indexOf('.') + 1)) : otherwise);
