import { readFileSync } from 'node:fs';

const folder = new URL('../../data/', import.meta.url);

/** A file of the contract, kept in `data/` beside the code. */
export const readData = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

export type Row = Readonly<Record<string, string>>;

/** The rows of a tab-separated text whose first line names the columns. */
export function tableRows(text: string): readonly Row[] {
  const [head = '', ...lines] = text.trimEnd().split('\n');
  const columns = head.split('\t');
  return lines.map((line) => {
    const cells = line.split('\t');
    return Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? '']));
  });
}

export const dataRows = (name: string): readonly Row[] => tableRows(readData(name));
