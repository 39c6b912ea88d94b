import type { Random } from '@kilonova/runtime';
import { Client } from './client.ts';
import type { World } from './world.ts';

/** What one create came to. */
export interface Request {
  readonly key: string;
  readonly name: string;
  readonly count: number;
  /** null: it was never accepted, as far as its user knows. */
  uuids: readonly string[] | null;
}

/** No answer, or one that says "later": nobody knows what became of the request. */
const UNANSWERED = new Set(['Unreachable', 'DeadlineExceeded', 'ConnectionLost', 'Busy', 'Cancelled', 'DatabaseUnavailable', 'Overloaded']);
/** Answers that a user may get for an action that does not fit just now. */
const REFUSALS = new Set([
  ...['ServerNotFound', 'ServerStateConflict', 'ServerBusy', 'ServerNotReady', 'ServerLocked', 'ServiceUnavailable', 'QuotaExceeded'],
  ...['MigrationInvalid', 'MigrationNotFound', 'ResizeInvalid', 'HostUnavailable', 'HostStillUp', 'InvalidInput'],
]);
const RETRY_MS = 700;
/** Servers that a user keeps before deleting some. */
const KEPT = 8;

const ACTIONS: readonly {
  readonly action: string;
  readonly weight: number;
  readonly options?: (random: Random) => Record<string, string | null>;
}[] = [
  { action: 'stop', weight: 3 },
  { action: 'start', weight: 3 },
  { action: 'reboot', weight: 2, options: (random) => ({ type: random.next() < 0.5 ? 'SOFT' : 'HARD' }) },
  { action: 'resize', weight: 4, options: (random) => ({ flavorId: random.next() < 0.5 ? '1' : '2', diskConfig: null }) },
  { action: 'migrate', weight: 3, options: () => ({ host: null }) },
  { action: 'liveMigrate', weight: 4, options: () => ({ host: null, force: null }) },
  { action: 'confirmResize', weight: 4 },
  { action: 'revertResize', weight: 4 },
  { action: 'abortMigration', weight: 2 },
  { action: 'forceCompleteMigration', weight: 1 },
  { action: 'resetState', weight: 0.5, options: (random) => ({ state: random.next() < 0.5 ? 'active' : 'error' }) },
  { action: 'forceDelete', weight: 1 },
  { action: 'delete', weight: 3 },
];

/** Users who share their servers and get in each other's way. What was accepted must come true exactly once. */
export class Users {
  readonly requests: Request[] = [];
  /** Servers whose deletion was accepted. */
  readonly deleted = new Set<string>();
  /** Servers whose state an administrator made up. */
  readonly madeUp = new Set<string>();
  /** Answers that no user should get. */
  readonly wrong: string[] = [];
  readonly asked = { creates: 0, actions: 0, accepted: 0, refused: 0, unanswered: 0 };
  readonly #clients: readonly Client[];
  readonly #pauseMs: number;
  readonly #servers: string[] = [];
  #stopped = false;
  #working: Promise<unknown> = Promise.resolve();

  constructor(world: World, { users, pauseMs }: { readonly users: number; readonly pauseMs: number }) {
    this.#pauseMs = pauseMs;
    this.#clients = Array.from({ length: users }, (_, at) => new Client(world, `user-${at + 1}`, `project-${1 + (at % 2)}`));
  }

  start(): void {
    this.#working = Promise.all(this.#clients.map((client) => this.#work(client)));
  }

  /** Settles when every request in hand has its answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  async #work(client: Client): Promise<void> {
    const { random, clock, name } = client.life;
    for (let round = 1; !this.#stopped; round += 1) {
      const what = random.next();
      if (what < 0.35) await this.#create(client, `${name}-${round}`);
      else {
        const first = this.#act(client);
        // Now and then without waiting for the answer.
        await (random.next() < 0.3 ? Promise.all([first, this.#act(client)]) : first);
      }
      await clock.sleep(random.next() * this.#pauseMs);
    }
  }

  async #create(client: Client, name: string): Promise<void> {
    const { random } = client.life;
    const alive = this.#servers.filter((uuid) => !this.deleted.has(uuid));
    if (alive.length >= KEPT * this.#clients.length) return this.#send(client, alive[0]!, 'delete', {});
    const request: Request = { key: random.uuid(), name, count: random.next() < 0.3 ? 3 : 1, uuids: null };
    const flavorId = random.next() < 0.5 ? '1' : '2';
    this.requests.push(request);
    this.asked.creates += 1;
    for (;;) {
      try {
        request.uuids = await client.create({ ...request, flavorId });
        this.#servers.push(...request.uuids);
        this.asked.accepted += 1;
        return;
      } catch (error) {
        if (!this.#again(error, `create ${name}`)) return;
      }
      await client.life.clock.sleep(RETRY_MS * (1 + random.next()));
    }
  }

  async #act(client: Client): Promise<void> {
    const { random } = client.life;
    const alive = this.#servers.filter((uuid) => !this.deleted.has(uuid));
    if (alive.length === 0) return;
    const uuid = alive[Math.floor(random.next() * alive.length)]!;
    const { action, options } = drawn(ACTIONS, random);
    const given = options?.(random) ?? {};
    if (action !== 'abortMigration' && action !== 'forceCompleteMigration') return this.#send(client, uuid, action, given);
    try {
      given['id'] = await client.liveMigration(uuid);
    } catch (error) {
      this.#again(error, action);
      return;
    }
    await this.#send(client, uuid, action, given);
  }

  async #send(client: Client, uuid: string, action: string, options: Record<string, string | null>): Promise<void> {
    const isDelete = action === 'delete' || action === 'forceDelete';
    if (action === 'resetState') this.madeUp.add(uuid);
    for (;;) {
      this.asked.actions += 1;
      try {
        await client.act(uuid, action, options);
        this.asked.accepted += 1;
        if (isDelete) this.deleted.add(uuid);
        return;
      } catch (error) {
        // An earlier attempt, whose answer was lost, may have done it.
        if (isDelete && codeOf(error) === 'ServerNotFound') this.deleted.add(uuid);
        if (!this.#again(error, `${action} ${uuid}`) || !isDelete) return;
      }
      await client.life.clock.sleep(RETRY_MS * (1 + client.life.random.next()));
    }
  }

  /** Whether there was no answer. */
  #again(error: unknown, what: string): boolean {
    const code = codeOf(error);
    if (UNANSWERED.has(code)) {
      this.asked.unanswered += 1;
      return true;
    }
    this.asked.refused += 1;
    if (!REFUSALS.has(code)) this.wrong.push(`${what}: ${code}: ${(error as Error).message}`);
    return false;
  }
}

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code);

function drawn<T extends { readonly weight: number }>(choices: readonly T[], random: Random): T {
  let left = random.next() * choices.reduce((sum, { weight }) => sum + weight, 0);
  return choices.find(({ weight }) => (left -= weight) < 0) ?? choices.at(-1)!;
}
