import { connectionSettings, type ConnectionSource, type DatabaseConfig } from '@kilonova/conductor';
import { Client } from 'pg';
import { markOf } from '../trace.ts';
import type { Life } from '../world/life.ts';
import type { Observer } from './observer.ts';
import type { Turn, Turns } from './turns.ts';

type Callback = (error: Error | null, response?: unknown) => void;
type Statement = string | { readonly text: string; readonly values?: readonly unknown[] };

/** knex numbers them through all runs of this process. */
const SAVEPOINT = /(SAVEPOINT) trx\d+/g;

export interface ConnectionParts {
  readonly life: Life;
  readonly turns: Turns;
  readonly observer: Observer;
  readonly config: DatabaseConfig;
  /** As the database reads it. */
  readonly now: () => string;
  /** Called right before and right after a statement is done; the process may die there, or lose the connection. */
  readonly onStatement: (moment: 'before' | 'after', text: string) => 'goes on' | 'breaks';
  readonly reachable: () => boolean;
}

/** The connections of one simulated process: they end with it, as sockets do. */
export class Connections implements ConnectionSource {
  readonly #parts: ConnectionParts;
  readonly #free: Connection[] = [];
  readonly #waiting: ((connection: Connection) => void)[] = [];
  readonly #all = new Set<Connection>();
  #opened = 0;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  /** A free connection, or one more up to the bound. */
  connect(): Promise<Connection> {
    const free = this.#free.pop();
    if (free !== undefined) return Promise.resolve(free);
    if (this.#all.size >= this.#parts.config.poolMax) return new Promise((settle) => this.#waiting.push(settle));
    const connection: Connection = new Connection(this.#parts, `${this.#parts.life.name}/${++this.#opened}`, (broken) =>
      this.#back(connection, broken),
    );
    this.#all.add(connection);
    return connection.open().then(() => connection);
  }

  #back(connection: Connection, broken: boolean): void {
    if (broken) {
      this.#all.delete(connection);
      void connection.end();
      return;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(connection);
    else next(connection);
  }

  /** Settles when the database knows of none of them any more: what they had begun is rolled back. */
  async end(): Promise<void> {
    const all = [...this.#all];
    this.#all.clear();
    await this.#parts.observer.terminate(all.flatMap(({ pid }) => pid ?? []));
    await Promise.all(all.map((connection) => connection.end()));
  }
}

// A name inside of knex.
const DISPOSED = '__knex__disposed';

const isBegin = (text: string) => /^\s*begin/i.test(text);
const isEnd = (text: string) => /^\s*(commit|rollback(?! to))/i.test(text);

class Connection {
  /** Set, the pool closes it instead of giving it out again. */
  [DISPOSED]: Error | undefined;
  readonly #parts: ConnectionParts;
  readonly #name: string;
  readonly #back: (broken: boolean) => void;
  readonly #client: Client;
  readonly #turns = new Set<Turn>();
  #pid: number | undefined;
  #told = '';
  #inTransaction = false;

  constructor(parts: ConnectionParts, name: string, back: (broken: boolean) => void) {
    this.#parts = parts;
    this.#name = name;
    this.#back = back;
    this.#client = new Client(connectionSettings(parts.config));
    this.#client.on('error', () => undefined);
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      let failed: Error | undefined;
      this.#take({
        run: async () => {
          if (!this.#parts.reachable()) failed = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
          else await this.#client.connect().catch((error: Error) => (failed = error));
          this.#pid = (this.#client as object as { processID: number | null }).processID ?? undefined;
        },
        deliver: () => {
          if (failed === undefined) return resolve();
          this.#back(true);
          reject(failed);
        },
      });
    });
  }

  query(statement: Statement, done: Callback): void {
    const { life } = this.#parts;
    if (!life.alive) return;
    const text = typeof statement === 'string' ? statement : statement.text;
    let error: Error | null = null;
    let response: unknown;
    this.#take({
      run: async () => {
        try {
          response = await this.#do(text, statement);
        } catch (thrown) {
          error = thrown as Error;
        }
      },
      deliver: () => {
        if (!life.alive) return;
        const rows = (response as { rowCount?: number | null } | undefined)?.rowCount;
        life.note(
          `${this.#name} ${markOf(JSON.stringify(statement).replace(SAVEPOINT, '$1'))} ${error === null ? rows : ((error as { code?: string }).code ?? 'broken')}`,
        );
        done(error, response);
      },
    });
  }

  release(broken: boolean): void {
    this.#back(broken);
  }

  async end(): Promise<void> {
    for (const turn of this.#turns) this.#parts.turns.drop(turn);
    await this.#client.end().catch(() => undefined);
  }

  async #do(text: string, statement: Statement): Promise<unknown> {
    const { life, onStatement, reachable } = this.#parts;
    if (this[DISPOSED] !== undefined) throw new Error('Connection terminated unexpectedly');
    if (!reachable() || onStatement('before', text) === 'breaks') return this.#break();
    if (!life.alive) return undefined;
    const response = await this.#run(text, statement);
    return onStatement('after', text) === 'breaks' ? this.#break() : response;
  }

  async #break(): Promise<never> {
    this[DISPOSED] = new Error('Connection terminated unexpectedly');
    if (this.#pid !== undefined) await this.#parts.observer.terminate([this.#pid]);
    throw this[DISPOSED];
  }

  /** The session is told the time whenever a transaction begins, as the database's own clock would be read. */
  async #run(text: string, statement: Statement): Promise<unknown> {
    const now = this.#parts.now();
    const tell = this.#inTransaction || this.#told === now ? '' : `set kilonova.now = '${now}'`;
    if (tell !== '') this.#told = now;
    if (isBegin(text)) this.#inTransaction = true;
    if (isEnd(text)) {
      this.#inTransaction = false;
      // What a transaction was told with its beginning is taken back with it.
      this.#told = '';
    }
    if (tell === '') return this.#client.query(statement as string);
    // One trip instead of two; what is begun has no values.
    if (isBegin(text)) return ((await this.#client.query(`${tell}; ${text}`)) as object as unknown[]).at(-1);
    await this.#client.query(tell);
    return this.#client.query(statement as string);
  }

  #take({ run, deliver }: Pick<Turn, 'run' | 'deliver'>): void {
    const turn: Turn = {
      pid: () => this.#pid,
      run,
      deliver: () => {
        this.#turns.delete(turn);
        deliver();
      },
    };
    this.#turns.add(turn);
    this.#parts.turns.take(turn);
  }
}
