import { readFileSync } from 'node:fs';
import { version as wire } from '@kilonova/objects';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string };

/** Which release this is, and what it speaks to its peers. */
export const release = { version, wire } as const;
