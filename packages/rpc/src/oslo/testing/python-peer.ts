import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../testing/bench.ts';

/** What Python raised. */
export class PythonRaised extends Error {
  readonly remote: { readonly class: string; readonly bases: readonly string[]; readonly exc_type: string | null; readonly text: string };

  constructor(remote: PythonRaised['remote']) {
    super(`${remote.class}: ${remote.text}`);
    this.remote = remote;
  }
}

export interface PythonPeer {
  /** What its endpoints told, in order. */
  readonly events: readonly Readonly<Record<string, unknown>>[];
  /** An order of peer.py. @throws PythonRaised */
  order(op: 'serve' | 'send' | 'notify' | 'listen', given: object): Promise<unknown>;
  close(): Promise<void>;
}

/** Debian's own interpreter: python3-oslo.messaging is no package of another one. */
const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('peer.py', import.meta.url));
const START_MS = 20_000;
const END_MS = 5_000;

/** A process of unmodified oslo.messaging. `settings` are options of `[oslo_messaging_rabbit]`, as `option=JSON`. */
export async function startPythonPeer(url: string, exchange = 'openstack', settings: readonly string[] = []): Promise<PythonPeer> {
  const child = spawn(PYTHON, ['-W', 'ignore', SCRIPT, oslo(url), exchange, ...settings], { stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  const events: Record<string, unknown>[] = [];
  let complaints = '';
  let exited = false;
  let count = 0;
  child.stderr.on('data', (piece: Buffer) => (complaints = (complaints + piece.toString()).slice(-4_000)));
  child.stdin.on('error', () => undefined); // told by the exit
  const gone = new Promise<void>((resolve) =>
    child.once('close', () => {
      exited = true;
      for (const { reject } of waiting.values()) reject(new Error(`the Python peer ended: ${complaints}`));
      resolve();
    }),
  );
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as Record<string, unknown>;
    const order = waiting.get(said['id'] as number);
    if ('event' in said || order === undefined) return void events.push(said);
    waiting.delete(said['id'] as number);
    if ('error' in said) order.reject(new PythonRaised(said['error'] as PythonRaised['remote']));
    else order.resolve(said['result']);
  });
  await eventually(() => exited || events.some(({ event }) => event === 'ready'), START_MS);
  if (exited) throw new Error(`${PYTHON} could not run peer.py (is python3-oslo.messaging installed?): ${complaints}`);
  return {
    events,
    order: (op, given) =>
      new Promise((resolve, reject) => {
        const id = count++;
        waiting.set(id, { resolve, reject });
        child.stdin.write(`${JSON.stringify({ id, op, ...given })}\n`);
      }),
    async close() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
      await gone;
      clearTimeout(timer);
    },
  };
}

/** oslo.messaging's name for the same broker: its path is the virtual host, `/` for the default one. */
function oslo(url: string): string {
  const address = new URL(url);
  return `rabbit://${address.username || 'guest'}:${address.password || 'guest'}@${address.hostname}:${address.port || '5672'}${address.pathname === '' ? '/' : address.pathname}`;
}
