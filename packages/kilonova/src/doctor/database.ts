import { inspectDatabase, type DatabaseConfig } from '@kilonova/conductor';

/** Throws what is wrong, also when tables are missing. */
export async function examineDatabase(config: DatabaseConfig): Promise<string> {
  const { version, pending } = await inspectDatabase(config);
  if (pending.length > 0) throw new Error(`PostgreSQL ${version} answers, but lacks ${pending.join(', ')}: run "kilonova db migrate"`);
  return `PostgreSQL ${version}, tables up to date`;
}
