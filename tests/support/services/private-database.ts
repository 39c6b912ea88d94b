import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A PostgreSQL that a test may end and start again, on the same port and data. Ends with the process that started it. */
export interface PrivateDatabase {
  /** Of an account that may create databases. */
  readonly url: string;
  /** fast: sessions are ended and all is written. immediate: as if it had crashed, the next start recovers. */
  end(how: 'fast' | 'immediate'): Promise<void>;
  /** Settles when it takes connections again. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** `dir` is removed at the end. */
export async function startPrivateDatabase(dir: string): Promise<PrivateDatabase> {
  const owner = new Owner(dir);
  const { url } = await owner.order('start');
  if (url === undefined) throw new Error('the database has no address');
  return {
    url,
    end: async (how) => void (await owner.order(how)),
    start: async () => void (await owner.order('start')),
    stop: () => owner.stop(),
  };
}

interface Word {
  readonly url?: string;
  readonly error?: string;
}

/** The process that owns it: one order at a time, a line for a line. */
class Owner {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #answer: (word: Word) => void = () => undefined;
  #complaint = '';

  constructor(dir: string) {
    const program = fileURLToPath(new URL('./private-database-owner.ts', import.meta.url));
    this.#child = spawn(process.execPath, [program, dir], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stderr?.on('data', (piece: Buffer) => (this.#complaint += piece.toString()));
    createInterface(this.#child.stdout!).on('line', (line) => this.#answer(JSON.parse(line) as Word));
    this.#ended = new Promise((settle) => {
      this.#child.once('close', () => settle());
      this.#child.once('error', () => settle());
    });
  }

  async order(word: 'start' | 'fast' | 'immediate'): Promise<Word> {
    const answered = new Promise<Word>((settle) => (this.#answer = settle));
    this.#child.stdin?.write(`${word}\n`);
    const gone = this.#ended.then((): Word => ({ error: `its owner ended: ${this.#complaint.slice(-3_000)}` }));
    const answer = await Promise.race([answered, gone]);
    if (answer.error !== undefined) throw new Error(`the private database did not do "${word}": ${answer.error}`);
    return answer;
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }
}
