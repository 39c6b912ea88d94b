import { defaultLimits, defaultOsloLimits } from '@kilonova/rpc';
import type { ApiItem } from './api-model.ts';

/** Whose defaults are values of the package; those of the others are said in their comments. */
const DEFAULTS: Readonly<Record<string, object>> = { TransportLimits: defaultLimits, OsloLimits: defaultOsloLimits };

/** `docs/limits.md`: every number that an option of the package may say, with its default. */
export function limitsPage(items: readonly ApiItem[]): string {
  const lines = [
    '# Limits',
    '',
    'Every queue, wait, retry, cache and size has a limit that is an option. This page is made from the doc comments by',
    '`npm run docs -w packages/rpc`; a test compares.',
    '',
  ];
  for (const item of items.filter(
    ({ kind, name }) => kind === 'Interface' && /(Limits|Options|Policy|Failure)$/.test(name) && name !== 'ExposeOptions',
  )) {
    const rows = item.members.flatMap((member) => rowOf(member, DEFAULTS[item.name]));
    if (rows.length > 0) lines.push(`## ${item.name}`, '', item.doc, '', '| option | default | |', '| --- | --- | --- |', ...rows, '');
  }
  return lines.join('\n');
}

function rowOf({ name, signature, doc }: ApiItem, defaults: object | undefined): readonly string[] {
  if (!/\??: number;?$/.test(signature)) return [];
  const said = /\s*Default:? (.+?)(?:\.(?=\s|$)|;|$)/.exec(doc);
  const value: unknown = defaults === undefined ? undefined : Reflect.get(defaults, name);
  const text = value === undefined ? (said?.[1] ?? '') : numberText(Number(value));
  const rest = (said === null ? doc : doc.replace(said[0], '')).replace(/\s+/g, ' ').replaceAll('|', '\\|');
  return [`| \`${name}\` | ${text} | ${rest} |`];
}

const numberText = (value: number) => String(value).replace(/\B(?=(\d{3})+$)/g, ' ');
