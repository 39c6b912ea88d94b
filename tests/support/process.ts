import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

const KILONOVA = join(import.meta.dirname, '..', '..', 'packages', 'kilonova', 'bin', 'kilonova.js');
const OUTPUT_LIMIT = 1_000_000;
const END_TIMEOUT_MS = 40_000;

/** Which Kilonova a process is of: this checkout's, unless another is named. */
export interface Build {
  /** Its bin/kilonova.js. */
  readonly executable?: string;
  /** Options that only this build knows, as `KILONOVA_<SECTION>_<KEY>`. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface KilonovaOptions {
  readonly build?: Build;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly readyTimeoutMs?: number;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A `kilonova` process. It ends with this one: its channel to us closes, and it takes that for SIGTERM. */
export class KilonovaProcess {
  /** Its command line, for errors. */
  readonly what: string;
  readonly ended: Promise<Ending>;
  private readonly child: ChildProcess;
  private readonly readiness: Promise<readonly string[]>;
  private text = '';
  private answer = '';

  private constructor(args: readonly string[], { build = {}, env = {}, cwd }: KilonovaOptions) {
    this.what = `kilonova ${args.join(' ')}`;
    // The Node that the user typed the command with; vitest itself runs under a newer one.
    const node = process.env['KILONOVA_TEST_NODE'] ?? process.execPath;
    this.child = spawn(node, [build.executable ?? KILONOVA, ...args], {
      env: { ...ownEnvironment(), ...build.env, ...env },
      ...(cwd !== undefined && { cwd }),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (piece: Buffer) => (this.text = (this.text + piece.toString()).slice(-OUTPUT_LIMIT)));
    this.child.stdout?.on('data', (piece: Buffer) => (this.answer = (this.answer + piece.toString()).slice(-OUTPUT_LIMIT)));
    this.readiness = new Promise((settle) => {
      this.child.on('message', (message: { kilonova?: string; addresses?: readonly string[] }) => {
        if (message.kilonova === 'ready') settle(message.addresses ?? []);
      });
    });
    this.ended = new Promise((settle) => {
      this.child.once('error', (error) => {
        this.text += `\n${error.message}`;
        settle({ code: null, signal: null });
      });
      this.child.once('close', (code, signal) => settle({ code, signal }));
    });
  }

  /** Starts it and does not wait for anything. */
  static spawn(args: readonly string[], options: KilonovaOptions = {}): KilonovaProcess {
    return new KilonovaProcess(args, options);
  }

  /** Starts it and waits until it says that it is ready. Throws with its output when it ends before or takes too long. */
  static async start(args: readonly string[], options: KilonovaOptions = {}): Promise<KilonovaProcess> {
    const started = new KilonovaProcess(args, options);
    await started.ready(options.readyTimeoutMs);
    return started;
  }

  /** Runs a command to its end and returns what it wrote on standard output. Throws when it fails. */
  static async run(args: readonly string[], options: KilonovaOptions & { readonly timeoutMs?: number } = {}): Promise<string> {
    const started = new KilonovaProcess(args, options);
    const { code, signal } = await started.within(started.ended, options.timeoutMs ?? 60_000, 'did not end');
    if (code !== 0) throw new Error(`${started.what} ended with ${signal ?? code}: ${started.output()}`);
    return started.answer;
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.what} could not be started: ${this.text}`);
    return this.child.pid;
  }

  /** Where it listens, as it says itself. */
  async ready(timeoutMs = 60_000): Promise<readonly string[]> {
    const early = this.ended.then(({ code, signal }) => {
      throw new Error(`${this.what} ended with ${signal ?? code} before it was ready: ${this.output().slice(-4_000)}`);
    });
    return this.within(Promise.race([this.readiness, early]), timeoutMs, 'was not ready');
  }

  /** What it wrote on both streams, the newest megabyte. */
  output(): string {
    return this.text;
  }

  /** As a power cut: it learns nothing of it. */
  async kill(): Promise<Ending> {
    this.child.kill('SIGKILL');
    return this.ended;
  }

  /** SIGTERM and its graceful end; SIGKILL and an error when that takes too long. */
  async stop(timeoutMs = END_TIMEOUT_MS): Promise<Ending> {
    this.child.kill('SIGTERM');
    try {
      return await this.within(this.ended, timeoutMs, 'did not end after SIGTERM');
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  private async within<T>(awaited: Promise<T>, timeoutMs: number, complaint: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${this.what} ${complaint} within ${timeoutMs} ms: ${this.output().slice(-4_000)}`)),
        timeoutMs,
      );
    });
    try {
      return await Promise.race([awaited, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Ours without what would configure it behind the test's back. */
const ownEnvironment = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith('KILONOVA_') && !name.startsWith('NODE_') && !name.startsWith('VITEST'),
    ),
  );
