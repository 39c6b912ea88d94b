import { startEmbeddedPostgres } from 'kilonova';

export interface FoundDatabase {
  readonly how: string;
  /** Of an account that may create databases. */
  readonly url: string;
  stop(): Promise<void>;
}

/** KILONOVA_TEST_PG_URL, or a PostgreSQL from the npm registry that `stop` ends and removes. */
export async function findDatabase({ dir, say }: { readonly dir: string; readonly say: (line: string) => void }): Promise<FoundDatabase> {
  const named = process.env['KILONOVA_TEST_PG_URL'];
  if (named !== undefined && named !== '') return { how: 'named by KILONOVA_TEST_PG_URL', url: named, stop: async () => undefined };
  // Tests kill processes, not the machine: what the kernel has taken over survives them without fsync.
  const embedded = await startEmbeddedPostgres({ dir, ephemeral: true, fsync: false, maxConnections: 300, notice: (line) => say(line) });
  return { how: `embedded, on port ${embedded.port}`, url: embedded.url, stop: () => embedded.stop() };
}
