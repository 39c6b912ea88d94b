// A process that owns a PostgreSQL which a test ends and starts: private-database-owner.ts FOLDER. Takes a word per line
// (start, fast, immediate) and answers each with a line. Ends with its standard input, which also ends when the test is killed.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startEmbeddedPostgres, type EmbeddedPostgres } from 'kilonova';

const folder = process.argv[2];
if (folder === undefined) throw new Error('expected a folder, found no argument');
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);
process.stdout.on('error', () => undefined); // the other end was killed; standard input tells
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined); // ended by standard input alone

let server: EmbeddedPostgres | undefined;
let port = 0;

/** What is committed survives without fsync, since the machine goes on. */
const start = async () => {
  server ??= await startEmbeddedPostgres({ dir: join(folder, 'postgres'), port, fsync: false, maxConnections: 200 });
  ({ port } = server);
  return { url: server.url };
};

const end = async (how: 'fast' | 'immediate') => {
  if (how === 'immediate') server?.kill();
  await server?.stop();
  server = undefined;
  return {};
};

for await (const line of createInterface(process.stdin)) {
  try {
    say(await (line === 'start' ? start() : end(line === 'immediate' ? 'immediate' : 'fast')));
  } catch (error) {
    say({ error: String(error) });
  }
}
await server?.stop();
rmSync(folder, { recursive: true, force: true });
