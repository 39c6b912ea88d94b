import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { root } from './tools-node.mjs';

/** Aborts at the first SIGINT, SIGTERM or SIGHUP, or when the process that started us is killed. Later ones change nothing: what was started is being put away, in bounded time. */
export function untilSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => controller.abort(new Interrupted(signal)));
  process.once('disconnect', () => controller.abort(new Interrupted('SIGHUP')));
  process.channel?.unref();
  return controller.signal;
}

export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

export interface StageOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Besides being printed, what it says is handed to this. */
  readonly onOutput?: (piece: string) => void;
  readonly killAfterMs?: number;
}

/**
 * Runs one command in a process group of its own, with its output on ours. Settles with its exit code, and not before
 * everything of its group is gone: on an abort with SIGTERM, and `killAfterMs` later with SIGKILL.
 */
export function runStage(
  [program, ...args]: readonly string[],
  { env = {}, signal, onOutput, killAfterMs = 10_000 }: StageOptions,
): Promise<{ code: number }> {
  if (program === undefined) throw new TypeError('expected a command, found none');
  return new Promise((settle, reject) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['ignore', onOutput === undefined ? 'inherit' : 'pipe', onOutput === undefined ? 'inherit' : 'pipe'],
    });
    let killTimer: NodeJS.Timeout | undefined;
    const end = () => {
      killGroup(child.pid, 'SIGTERM');
      killTimer = setTimeout(() => killGroup(child.pid, 'SIGKILL'), killAfterMs);
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ] as const)
      from?.on('data', (piece: Buffer) => {
        to.write(piece);
        onOutput?.(piece.toString());
      });
    child.once('error', (cause) => reject(new Error(`cannot run ${program}: ${cause.message}`, { cause })));
    child.once('exit', () => killGroup(child.pid, 'SIGKILL')); // what it left behind would hold our pipes
    child.once('close', (code, by) => {
      clearTimeout(killTimer);
      signal.removeEventListener('abort', end);
      settle({ code: code ?? 128 + constants.signals[by ?? 'SIGKILL'] });
    });
  });
}

function killGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, signal);
  } catch {
    // the whole group has ended
  }
}
