import type { DatabaseConfig } from '@kilonova/conductor';
import { reasonOf } from '../cli/reason.ts';

/** Where a database is, without the account that its address holds: `127.0.0.1:5432/kilonova`. */
export function databaseAddress(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url.replace('@/', '@localhost/'));
  return `${searchParams.get('host') ?? hostname}:${port === '' ? 5432 : port}${pathname}`;
}

/** What `ask` gives; what it throws says which database was asked. */
export async function onDatabase<T>({ url }: Pick<DatabaseConfig, 'url'>, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw new Error(`the database ${databaseAddress(url)}: ${reasonOf(error)}`, { cause: error });
  }
}
