import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '@kilonova/runtime';
import type { ComputeClient } from '../support/compute-client.ts';
import type { Request } from '../crash/workload/server-user.ts';

/** What a balancer would have before several apis: those that take requests now. */
export class Rotation {
  readonly #clients: ReadonlyMap<string, ComputeClient>;
  readonly #out = new Set<string>();
  readonly #inFlight = new Map<string, number>();
  #next = 0;

  constructor(clients: ReadonlyMap<string, ComputeClient>) {
    this.#clients = clients;
  }

  /** The next request that begins goes elsewhere; settles when those that are in flight have their answers. */
  async takeOut(name: string): Promise<void> {
    this.#out.add(name);
    while ((this.#inFlight.get(name) ?? 0) > 0) await pause(5);
  }

  putBack(name: string): void {
    this.#out.delete(name);
  }

  async use<T>(act: (client: ComputeClient) => Promise<T>): Promise<T> {
    const names = [...this.#clients.keys()].filter((name) => !this.#out.has(name));
    this.#next += 1;
    const name = names[this.#next % names.length]!;
    this.#inFlight.set(name, (this.#inFlight.get(name) ?? 0) + 1);
    try {
      return await act(this.#clients.get(name)!);
    } finally {
      this.#inFlight.set(name, this.#inFlight.get(name)! - 1);
    }
  }
}

export interface LoadOptions {
  readonly rotation: Rotation;
  readonly random: Random;
  readonly flavorId: string;
  /** Servers are resized to it. */
  readonly otherFlavorId: string;
  readonly imageId: string;
  readonly workers: number;
  /** Where the upgrade stands, for what is said of a failure. */
  readonly moment: () => string;
}

/** How long a server may take from one status to the next. */
const STATUS_WAIT_MS = 90_000;
const LOOK_MS = 150;

/**
 * Users who create, list, stop, start, move and delete servers without a pause and try nothing twice: every request must get the answer
 * that it would get on a quiet day, and every server must get where it was sent.
 */
export class Load {
  readonly requests: Request[] = [];
  /** One sentence each. */
  readonly failures: string[] = [];
  readonly answered = new Map<string, number>();
  readonly #options: LoadOptions;
  readonly #stopping = new AbortController();
  #workers: Promise<unknown> = Promise.resolve();

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  get total(): number {
    return [...this.answered.values()].reduce((sum, count) => sum + count, 0);
  }

  start(): void {
    this.#workers = Promise.all(Array.from({ length: this.#options.workers }, (_, worker) => this.#work(worker)));
  }

  /** Settles when every server in hand has come to its end. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#workers;
  }

  async #work(worker: number): Promise<void> {
    for (let round = 0; !this.#stopping.signal.aborted; round += 1) {
      try {
        await this.#life(`load-${worker}-${round}`);
      } catch (error) {
        this.failures.push(`${this.#options.moment()}: ${(error as Error).message}`);
        await pause(LOOK_MS);
      }
    }
  }

  async #life(name: string): Promise<void> {
    const { random, flavorId, otherFlavorId, imageId } = this.#options;
    const request: Request = { name, key: random.uuid(), count: 1, ids: [], deletionAccepted: false };
    const server = { name, flavorRef: flavorId, imageRef: imageId, networks: 'none' };
    const headers = { 'idempotency-key': request.key };
    const { server: made } = await this.#ask<{ server: { id: string } }>('create', 202, 'POST', '/servers', { body: { server }, headers });
    request.ids = [made.id];
    this.requests.push(request);
    await this.#reaches(made.id, 'ACTIVE');
    await this.#ask('list', 200, 'GET', '/servers/detail?limit=20', {});

    const what = random.next();
    if (what < 0.3) {
      await this.#act('stop', made.id, { 'os-stop': null }, 'SHUTOFF');
      await this.#act('start', made.id, { 'os-start': null }, 'ACTIVE');
    } else if (what < 0.5) {
      await this.#act('live-migrate', made.id, { 'os-migrateLive': { host: null, block_migration: 'auto' } }, 'ACTIVE');
    } else if (what < 0.9) {
      await this.#act(
        'resize',
        made.id,
        random.next() < 0.5 ? { resize: { flavorRef: otherFlavorId } } : { migrate: null },
        'VERIFY_RESIZE',
      );
      if (random.next() < 0.5) await this.#act('revert', made.id, { revertResize: null }, 'ACTIVE');
      else {
        await this.#ask('confirm', 204, 'POST', `/servers/${made.id}/action`, { body: { confirmResize: null } });
        await this.#reaches(made.id, 'ACTIVE');
      }
    }
    await this.#ask('delete', 204, 'DELETE', `/servers/${made.id}`, {});
    request.deletionAccepted = true;
    await this.#reaches(made.id, 'gone');
  }

  async #act(what: string, id: string, action: object, status: string): Promise<void> {
    await this.#ask(what, 202, 'POST', `/servers/${id}/action`, { body: action });
    await this.#reaches(id, status);
  }

  /** @throws Error when it is in ERROR, or does not get there in time */
  async #reaches(id: string, wanted: string): Promise<void> {
    const deadline = performance.now() + STATUS_WAIT_MS;
    for (let seen = ''; performance.now() < deadline;) {
      const { status, body } = await this.#answer('show', 'GET', `/servers/${id}`, {});
      if (status === 404 && wanted === 'gone') return;
      if (status !== 200) throw new Error(`show: expected 200, found ${status} ${JSON.stringify(body)}`);
      const { server } = body as { server: { status: string; 'OS-EXT-STS:task_state': string | null; fault?: object } };
      if (server.status === wanted && server['OS-EXT-STS:task_state'] === null) return;
      if (server.status === 'ERROR') throw new Error(`${id}: wanted ${wanted}, is ERROR: ${JSON.stringify(server.fault)}`);
      seen = `${server.status}/${server['OS-EXT-STS:task_state']}`;
      await pause(LOOK_MS);
      if (performance.now() >= deadline) throw new Error(`${id}: wanted ${wanted}, is ${seen} after ${STATUS_WAIT_MS} ms`);
    }
  }

  async #ask<T>(what: string, expected: number, method: string, path: string, options: object): Promise<T> {
    const { status, body } = await this.#answer(what, method, path, options);
    if (status !== expected) throw new Error(`${what}: expected ${expected}, found ${status} ${JSON.stringify(body)}`);
    return body as T;
  }

  /** Once. @throws Error when there is no answer */
  async #answer(what: string, method: string, path: string, options: object) {
    try {
      const answer = await this.#options.rotation.use((client) => client.request(method, path, { ...options, timeoutMs: 60_000 }));
      this.answered.set(what, (this.answered.get(what) ?? 0) + 1);
      return answer;
    } catch (error) {
      throw new Error(`${what}: no answer: ${String((error as Error).cause ?? error)}`, { cause: error });
    }
  }
}
