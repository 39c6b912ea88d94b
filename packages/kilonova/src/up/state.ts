import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { FolderInUse, lockFolder, type FolderLock, type Random } from '@kilonova/runtime';
import type { UpOptions } from './options.ts';

/** Random per state, so that they survive a restart; only their user may read the file. */
export interface Passwords {
  readonly admin: string;
  readonly demo: string;
  readonly service: string;
}

/** The folder of one `kilonova up`, held by this process. */
export interface State {
  /** Absolute. */
  readonly dir: string;
  /** As the user may type it. */
  readonly shown: string;
  readonly passwords: Passwords;
  file(name: string): string;
  /** Lets go of the folder, and removes an ephemeral one. */
  release(): void;
}

/**
 * Holds the folder of an `up`. It is made only after `beforeMaking`, so that a refusal leaves nothing behind; a
 * folder that exists is locked first, so that "already running" is said rather than "port taken".
 */
export async function openState({ state, ephemeral }: UpOptions, random: Random, beforeMaking: () => Promise<void>): Promise<State> {
  const named = state === undefined ? undefined : resolve(state);
  const existed = named !== undefined && existsSync(named);
  if (existed && ephemeral && readdirSync(named).length > 0)
    throw new Error(`${state} is not empty, and --ephemeral would remove it at the end: name a new folder, or none`);
  let lock = existed ? hold(named) : undefined;
  try {
    await beforeMaking();
  } catch (error) {
    lock?.release();
    throw error;
  }
  const made = named ?? mkdtempSync(join(tmpdir(), 'kilonova-'));
  mkdirSync(made, { recursive: true, mode: 0o700 });
  // As root, PostgreSQL's account must pass through. What is secret in here has its own mode.
  if (process.getuid?.() === 0) chmodSync(made, 0o711);
  const dir = realpathSync(made);
  lock ??= hold(dir);
  const held = lock;
  return {
    dir,
    shown: state ?? dir,
    passwords: keptPasswords(join(dir, 'passwords.json'), random),
    file: (name) => join(dir, name),
    release: () => {
      held.release();
      if (ephemeral) rmSync(dir, { recursive: true, force: true });
    },
  };
}

function hold(dir: string): FolderLock {
  try {
    return lockFolder(dir);
  } catch (error) {
    if (error instanceof FolderInUse)
      throw new Error(
        `another "kilonova up" (process ${error.holder}) runs on ${dir}: stop it, or name another folder with --state and other ports with --port-offset`,
        { cause: error },
      );
    throw error;
  }
}

/** Those of `file`, made when it is absent. */
export function keptPasswords(file: string, random: Random): Passwords {
  if (!existsSync(file))
    writePrivate(
      file,
      `${JSON.stringify({ admin: random.text(24), demo: random.text(24), service: random.text(24) } satisfies Passwords, null, 2)}\n`,
    );
  const { admin, demo, service } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Passwords>;
  if (admin === undefined || demo === undefined || service === undefined)
    throw new Error(`${file} lacks the password of admin, demo or service: remove the folder to start anew`);
  return { admin, demo, service };
}

/** Mode 0600 from the first byte on, and never half a file. */
export function writePrivate(file: string, content: string): void {
  const draft = `${file}.draft`;
  rmSync(draft, { force: true });
  writeFileSync(draft, content, { mode: 0o600 });
  renameSync(draft, file);
}
