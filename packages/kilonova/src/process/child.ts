import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ReadyMessage } from './service-process.ts';

const executable = fileURLToPath(new URL('../../bin/kilonova.js', import.meta.url));

export interface ChildOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Of Node itself. */
  readonly nodeArgs?: readonly string[] | undefined;
  readonly logFile: string;
}

/** One `kilonova ...` as a process of its own. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Settles with where it listens; rejects when it ends before that. */
  readonly ready: Promise<readonly string[]>;
  /** Settles with how it ended: `code 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
  readonly gone: boolean;
  /** SIGTERM, and SIGKILL for one that does not end within `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts it in a process group of its own: Ctrl-C reaches it through us, in order. The channel lets it tell when it is
 * ready, and makes it stop when we are gone.
 */
export function startChild({ name, args, env, nodeArgs = [], logFile }: ChildOptions): Child {
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, [...nodeArgs, executable, ...args], {
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const ended = new Promise<string>((settle) => {
    child.once('exit', (code, signal) => settle(signal ?? `code ${code}`));
    child.once('error', (error) => settle(error.message));
  });
  const ready = Promise.race([
    new Promise<readonly string[]>((settle) => child.on('message', (message) => settle((message as ReadyMessage).addresses))),
    ended.then((how) => {
      throw new Error(`${name} ended with ${how} before it was ready: see ${logFile}`);
    }),
  ]);
  ready.catch(() => undefined); // whoever waits for it is told
  return {
    name,
    pid: child.pid ?? 0,
    ready,
    ended,
    get gone() {
      return hasEnded(child);
    },
    stop: (graceMs) => stopChild(child, ended, graceMs),
  };
}

const hasEnded = (child: ChildProcess) => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

async function stopChild(child: ChildProcess, ended: Promise<string>, graceMs: number): Promise<void> {
  if (hasEnded(child)) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await ended;
  clearTimeout(timer);
}
