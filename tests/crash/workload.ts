import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '@kilonova/runtime';
import type { ComputeClient } from '../support/compute-client.ts';

/** What one accepted request must have come to. */
export interface Request {
  readonly name: string;
  readonly key: string;
  readonly count: number;
  ids: readonly string[];
  deletionAccepted: boolean;
}

interface WorkloadOptions {
  readonly client: ComputeClient;
  readonly random: Random;
  readonly flavorId: string;
  /** Servers are resized to it. */
  readonly otherFlavorId: string;
  readonly imageId: string;
  readonly workers: number;
  /** One in so many creates asks for several servers at once. */
  readonly multiEvery: number;
}

const RETRY_MS = 150;

/**
 * Users who create, stop, move and delete servers and do not give up: a request that got no answer, or a 503, is sent again with the
 * same key until it has one. Whatever the answer says was accepted must come true exactly once.
 */
export class Workload {
  readonly requests: Request[] = [];
  /** How often a request was not answered, or with 503. */
  unanswered = 0;
  /** Answers that no user should get. */
  readonly wrong: string[] = [];
  readonly #options: WorkloadOptions;
  readonly #stopping = new AbortController();
  #workers: Promise<unknown> = Promise.resolve();

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  start(): void {
    this.#workers = Promise.all(Array.from({ length: this.#options.workers }, (_, worker) => this.#work(worker)));
  }

  /** Settles when every request in hand has its answer. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#workers;
  }

  async #work(worker: number): Promise<void> {
    const { random, multiEvery } = this.#options;
    for (let round = 0; !this.#stopping.signal.aborted; round += 1) {
      const count = random.next() < 1 / multiEvery ? 3 : 1;
      const request: Request = { name: `crash-${worker}-${round}`, key: random.uuid(), count, ids: [], deletionAccepted: false };
      if (!(await this.#create(request))) {
        await this.#makeRoom(worker);
        continue;
      }
      // Some are deleted at once, in the middle of their creation.
      await pause(Math.floor(random.next() * 400));
      const what = random.next();
      if (what < 0.3) await this.#power(request);
      else if (what < 0.6) await this.#move(request);
      if (random.next() < 0.8) await this.#delete(request);
    }
  }

  async #create(request: Request): Promise<boolean> {
    const { flavorId, imageId } = this.#options;
    const server = {
      name: request.name,
      flavorRef: flavorId,
      imageRef: imageId,
      networks: 'none',
      min_count: request.count,
      max_count: request.count,
    };
    const answer = await this.#answered('POST', '/servers', { body: { server }, headers: { 'idempotency-key': request.key } });
    if (answer.status === 403) return false; // no quota left just now
    if (answer.status !== 202) {
      this.wrong.push(`create: ${answer.status} ${JSON.stringify(answer.body)}`);
      return false;
    }
    const found = await this.#answered('GET', `/servers?name=${encodeURIComponent(`^${request.name}(-[0-9]+)?$`)}`, {});
    request.ids = (found.body as { servers: { id: string }[] }).servers.map(({ id }) => id);
    if (request.ids.length !== request.count) this.wrong.push(`${request.name}: asked for ${request.count}, found ${request.ids.length}`);
    this.requests.push(request);
    return true;
  }

  /** The quota is full: the oldest server of this worker that still is there goes. */
  async #makeRoom(worker: number): Promise<void> {
    const oldest = this.requests.find(({ name, deletionAccepted }) => name.startsWith(`crash-${worker}-`) && !deletionAccepted);
    if (oldest === undefined) await pause(RETRY_MS);
    else await this.#delete(oldest);
  }

  /** Stop, start or reboot, as soon as the server is there; refused is an answer too. */
  async #power(request: Request): Promise<void> {
    const id = request.ids[0]!;
    await this.#leaves(id, ['BUILD']);
    const actions = [{ 'os-stop': null }, { 'os-start': null }, { reboot: { type: 'SOFT' } }, { reboot: { type: 'HARD' } }];
    for (const action of [{ 'os-stop': null }, actions[Math.floor(this.#options.random.next() * actions.length)]]) {
      await this.#act(id, action!);
      await pause(Math.floor(this.#options.random.next() * 200));
    }
  }

  /** Resize, migrate or live-migrate; what then waits for a word is confirmed or reverted, or left to the delete. */
  async #move(request: Request): Promise<void> {
    const { random, otherFlavorId } = this.#options;
    const id = request.ids[0]!;
    await this.#leaves(id, ['BUILD']);
    const moves = [
      { resize: { flavorRef: otherFlavorId } },
      { migrate: null },
      { 'os-migrateLive': { host: null, block_migration: 'auto' } },
    ];
    if ((await this.#act(id, moves[Math.floor(random.next() * moves.length)]!)) !== 202) return;
    if (random.next() < 0.2) return; // deleted in the middle
    await this.#leaves(id, ['RESIZE', 'MIGRATING']);
    if (random.next() < 0.2) return;
    await this.#act(id, random.next() < 0.5 ? { confirmResize: null } : { revertResize: null });
    await this.#leaves(id, ['REVERT_RESIZE']);
  }

  /** Refused is an answer too. */
  async #act(id: string, action: object): Promise<number> {
    const answer = await this.#answered('POST', `/servers/${id}/action`, { body: action });
    // 204: a confirmation. 400: no host is left for a move, or it is not there to be confirmed.
    if (![202, 204, 400, 404, 409].includes(answer.status))
      this.wrong.push(`${JSON.stringify(action)}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.status;
  }

  /** Waits, for a bounded number of looks, until the server shows another status. */
  async #leaves(id: string, statuses: readonly string[]): Promise<void> {
    for (let look = 0; look < 100; look += 1) {
      const { status, body } = await this.#answered('GET', `/servers/${id}`, {});
      if (status !== 200 || !statuses.includes((body as { server: { status: string } }).server.status)) return;
      await pause(RETRY_MS);
    }
  }

  async #delete(request: Request): Promise<void> {
    for (const id of request.ids) {
      const answer = await this.#answered('DELETE', `/servers/${id}`, {});
      // 404: an earlier attempt, whose answer was lost, did it.
      if (answer.status !== 204 && answer.status !== 404) {
        this.wrong.push(`delete: ${answer.status} ${JSON.stringify(answer.body)}`);
        return;
      }
    }
    request.deletionAccepted = true;
  }

  async #answered(method: string, path: string, options: Parameters<ComputeClient['request']>[2]) {
    for (;;) {
      try {
        const answer = await this.#options.client.request(method, path, { ...options, timeoutMs: 60_000 });
        if (answer.status !== 503) return answer;
      } catch {
        // No answer: the api itself was killed. Sent again below.
      }
      this.unanswered += 1;
      await pause(RETRY_MS);
    }
  }
}
