import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Cell, Handled, Sent } from './cell.ts';

/** A process that speaks lines of JSON. */
class Worker {
  readonly #process: ChildProcess;
  readonly #awaited = new Map<string, { resolve(message: object): void; reject(error: Error): void }>();

  constructor(command: readonly string[]) {
    const [program = '', ...rest] = command;
    this.#process = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#process.stdout !== null)
      createInterface(this.#process.stdout).on('line', (line) => {
        const message = JSON.parse(line) as { type: string };
        this.#awaited.get(message.type)?.resolve(message);
        this.#awaited.delete(message.type);
      });
    this.#process.on('exit', (code) => {
      for (const { reject } of this.#awaited.values()) reject(new Error(`${command.join(' ')} ended with ${code}`));
    });
  }

  next<T>(type: string): Promise<T> {
    return new Promise((resolve, reject) => this.#awaited.set(type, { resolve: (message) => resolve(message as T), reject }));
  }

  say(message: object): void {
    this.#process.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#awaited.clear();
    this.#process.stdin?.end();
    const late = setTimeout(() => this.#process.kill('SIGKILL'), 3_000);
    await ended;
    clearTimeout(late);
  }
}

export interface Outcome {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Microseconds per message. */
  readonly clientUs: number;
  readonly serverUs: number;
  readonly brokerUs: number;
}

/** A client and a server process of one library, kept for the whole run so that they are warm. */
export class Peer {
  readonly name: string;
  readonly #client: Worker;
  readonly #server: Worker;

  static async start(name: string, command: (role: 'client' | 'server') => readonly string[]): Promise<Peer> {
    const server = new Worker(command('server'));
    await server.next('ready');
    const client = new Worker(command('client'));
    await client.next('ready');
    return new Peer(name, client, server);
  }

  private constructor(name: string, client: Worker, server: Worker) {
    this.name = name;
    this.#client = client;
    this.#server = server;
  }

  async measure(cell: Cell, brokerCpuUs: () => number): Promise<Outcome> {
    const began = this.#client.next('begin');
    const ended = this.#client.next<Sent>('end');
    ended.catch(() => undefined); // heard of below, also when `began` fails first
    this.#client.say(cell);
    await began;
    const [handledFrom, brokerFrom] = [await this.#handled(), brokerCpuUs()];
    const sent = await ended;
    const [handledTo, brokerTo] = [await this.#handled(), brokerCpuUs()];
    // What was sent and not handled is a queue that grows: only what went through counts.
    const count = Math.min(sent.count, handledTo.count - handledFrom.count);
    return {
      perSecond: count / sent.seconds,
      p50Ms: sent.p50Ms,
      p99Ms: sent.p99Ms,
      clientUs: sent.cpuUs / sent.count,
      serverUs: (handledTo.cpuUs - handledFrom.cpuUs) / (handledTo.count - handledFrom.count),
      brokerUs: (brokerTo - brokerFrom) / sent.count,
    };
  }

  #handled(): Promise<Handled> {
    const answer = this.#server.next<Handled>('handled');
    this.#server.say({});
    return answer;
  }

  async end(): Promise<void> {
    await this.#client.end();
    await this.#server.end();
  }
}
