import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface FoundDatabase {
  readonly how: string;
  /** Of an account that may create databases. */
  readonly url: string;
  stop(): Promise<void>;
}

interface Word {
  readonly notice?: string;
  readonly url?: string;
  readonly port?: number;
}

const STOP_TIMEOUT_MS = 15_000;

/** KILONOVA_TEST_PG_URL, or a PostgreSQL from the npm registry below `dir` that `stop` ends and removes. */
export async function findDatabase({ dir, say }: { readonly dir: string; readonly say: (line: string) => void }): Promise<FoundDatabase> {
  const named = process.env['KILONOVA_TEST_PG_URL'];
  if (named !== undefined && named !== '') return { how: 'named by KILONOVA_TEST_PG_URL', url: named, stop: async () => undefined };
  const owner = spawn(process.execPath, [fileURLToPath(new URL('./database-owner.ts', import.meta.url)), dir], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((settle) => {
    owner.once('close', () => settle());
    owner.once('error', () => settle());
  });
  let complaint = '';
  owner.stderr.on('data', (piece: Buffer) => (complaint += piece.toString()));
  owner.stdin.on('error', () => undefined);
  const found = new Promise<{ url: string; port: number }>((settle) => {
    createInterface(owner.stdout).on('line', (line) => {
      const { notice, url, port } = JSON.parse(line) as Word;
      if (notice !== undefined) say(notice);
      if (url !== undefined && port !== undefined) settle({ url, port });
    });
  });
  const answer = await Promise.race([found, ended]); // its start is bounded by the embedded server's own limits
  if (answer === undefined) throw new Error(`the embedded PostgreSQL does not start: ${complaint.trim().slice(-3_000)}`);
  const stop = async () => {
    owner.stdin.end();
    const timer = setTimeout(() => owner.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };
  return { how: `embedded, on port ${answer.port}`, url: answer.url, stop };
}
