// A process that owns the tests' PostgreSQL: database-owner.ts FOLDER. Says `{"url":...}` in a line and ends the server
// when its standard input ends, which also happens when the process that started it is killed.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startEmbeddedPostgres } from 'kilonova';

const folder = process.argv[2];
if (folder === undefined) throw new Error('expected a folder, found no argument');
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);
process.stdout.on('error', () => undefined); // the other end was killed; standard input tells
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined); // ended by standard input alone

const abandoned = new Promise<void>((settle) => process.stdin.resume().once('end', settle).once('error', settle));
// Tests kill processes, not the machine: what the kernel has taken over survives them without fsync.
const options = {
  dir: join(folder, 'postgres'),
  ephemeral: true,
  fsync: false,
  maxConnections: 300,
  notice: (line: string) => say({ notice: line }),
};
const server = await startEmbeddedPostgres(options);
say({ url: server.url, port: server.port });
await Promise.race([abandoned, server.exited]);
await server.stop();
rmSync(folder, { recursive: true, force: true });
