import { inspectDatabase, newerRelease, type DatabaseConfig } from '@kilonova/conductor';
import { databaseAddress, onDatabase } from '../config/database-address.ts';

/** How many violations are named. */
const NAMED = 5;

/** Throws what is wrong, also when tables are missing or rows contradict each other. */
export async function examineDatabase(config: DatabaseConfig): Promise<string> {
  const { version, pending, unknown, violations, strays } = await onDatabase(config, () => inspectDatabase(config));
  const address = databaseAddress(config.url);
  if (pending.length > 0)
    throw new Error(`PostgreSQL ${version} at ${address} answers, but lacks ${pending.join(', ')}: run "kilonova db migrate"`);
  if (violations.length > 0) {
    const named = violations.slice(0, NAMED).map(({ invariant, subject, detail }) => `${invariant}: ${subject}: ${detail}`);
    const more = violations.length > NAMED ? [`and ${violations.length - NAMED} more`] : [];
    throw new Error(`PostgreSQL ${version} at ${address} answers, but its rows contradict each other: ${[...named, ...more].join('; ')}`);
  }
  if (strays.length > 0) {
    const named = strays.slice(0, NAMED).map(({ host, standing, count }) => `${host} shows ${count} (${standing})`);
    throw new Error(
      `PostgreSQL ${version} at ${address} answers, but hosts have domains that they were not given, and leave them alone: ${named.join(', ')}`,
    );
  }
  const tables = unknown.length === 0 ? 'tables up to date' : newerRelease(unknown);
  return `PostgreSQL ${version} at ${address}, ${tables}, invariants hold`;
}
