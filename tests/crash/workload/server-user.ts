import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '@kilonova/runtime';
import type { Session } from './session.ts';

/** What one accepted request must have come to. */
export interface Request {
  readonly name: string;
  readonly key: string;
  readonly count: number;
  ids: readonly string[];
  deletionAccepted: boolean;
}

export interface ServerUserOptions {
  readonly session: Session;
  readonly random: Random;
  readonly wrong: string[];
  readonly flavorId: string;
  /** Servers are resized to it. */
  readonly otherFlavorId: string;
  readonly imageId: string;
  readonly stopped: AbortSignal;
}

const LOOK_MS = 150;
const LOOKS = 60;
/** Accepted, or refused for what the server does just now. */
const TAKEN_OR_BUSY = [202, 409];

/** Creates servers, does all kinds of things with them, and deletes most. Only this user touches them, so what they must show is known. */
export class ServerUser {
  readonly requests: Request[] = [];
  readonly #name: string;
  readonly #options: ServerUserOptions;

  constructor(name: string, options: ServerUserOptions) {
    this.#name = name;
    this.#options = options;
  }

  async work(): Promise<void> {
    const { random, stopped } = this.#options;
    for (let round = 0; !stopped.aborted; round += 1) {
      const count = random.next() < 0.15 ? 3 : 1;
      const request: Request = { name: `${this.#name}-${round}`, key: random.uuid(), count, ids: [], deletionAccepted: false };
      if (!(await this.#create(request))) {
        await this.#makeRoom();
        continue;
      }
      // Some are deleted at once, in the middle of their creation.
      if (random.next() < 0.2) await pause(Math.floor(random.next() * 200));
      else await this.#use(request.ids[0]!);
      if (random.next() < 0.85) await this.#delete(request);
    }
  }

  async #create(request: Request): Promise<boolean> {
    const { session, wrong, flavorId, imageId } = this.#options;
    const { name, count, key } = request;
    const server = { name, flavorRef: flavorId, imageRef: imageId, networks: 'none', min_count: count, max_count: count };
    const answer = await session.ask<{ server?: { id: string } }>(
      'create',
      ['POST', '/servers', { body: { server }, headers: { 'idempotency-key': key } }],
      [202, 403],
    );
    if (answer.status !== 202) return false; // no quota left just now
    const found = await session.ask<{ servers: { id: string }[] }>(
      'list',
      ['GET', `/servers?name=${encodeURIComponent(`^${name}(-[0-9]+)?$`)}`],
      [200],
    );
    request.ids = found.body.servers.map(({ id }) => id);
    if (request.ids.length !== count) wrong.push(`${name}: asked for ${count}, found ${request.ids.length}`);
    if (!request.ids.includes(answer.body.server!.id))
      wrong.push(`${name}: answered ${answer.body.server?.id}, found ${request.ids.join()}`);
    this.requests.push(request);
    return request.ids.length > 0;
  }

  /** The quota is full: the oldest server goes. */
  async #makeRoom(): Promise<void> {
    const oldest = this.requests.find(({ deletionAccepted }) => !deletionAccepted);
    if (oldest === undefined) await pause(LOOK_MS);
    else await this.#delete(oldest);
  }

  async #use(id: string): Promise<void> {
    const { random, stopped } = this.#options;
    const verbs = [
      () => this.#power(id),
      () => this.#power(id),
      () => this.#resize(id),
      () => this.#resize(id),
      () => this.#migrate(id),
      () => this.#liveMigrate(id),
      () => this.#liveMigrate(id),
      () => this.#metadata(id),
      () => this.#rename(id),
      () => this.#lock(id),
    ];
    await this.#leaves(id, ['BUILD']);
    for (let left = 1 + Math.floor(random.next() * 3); left > 0 && !stopped.aborted; left -= 1)
      await verbs[Math.floor(random.next() * verbs.length)]!();
  }

  #act(verb: string, id: string, action: object, expected: readonly number[] = TAKEN_OR_BUSY) {
    return this.#options.session.ask(verb, ['POST', `/servers/${id}/action`, { body: action }], expected);
  }

  async #power(id: string): Promise<void> {
    const { random } = this.#options;
    await this.#act('stop', id, { 'os-stop': null });
    await pause(Math.floor(random.next() * 200));
    const actions = [
      ['start', { 'os-start': null }],
      ['start', { 'os-start': null }],
      ['reboot', { reboot: { type: 'SOFT' } }],
      ['reboot', { reboot: { type: 'HARD' } }],
    ] as const;
    const [verb, action] = actions[Math.floor(random.next() * actions.length)]!;
    await this.#act(verb, id, action);
    await this.#leaves(id, ['REBOOT', 'HARD_REBOOT']);
  }

  /** What then waits for a word is confirmed or reverted, or left to the delete. */
  async #resize(id: string): Promise<void> {
    const { random, flavorId, otherFlavorId } = this.#options;
    // 400: it is of that flavor already.
    const flavorRef = random.next() < 0.8 ? otherFlavorId : flavorId;
    if ((await this.#act('resize', id, { resize: { flavorRef } }, [...TAKEN_OR_BUSY, 400])).status !== 202) return;
    await this.#decide(id);
  }

  async #migrate(id: string): Promise<void> {
    // 400: no host is left for it.
    if ((await this.#act('migrate', id, { migrate: null }, [...TAKEN_OR_BUSY, 400])).status === 202) await this.#decide(id);
  }

  async #decide(id: string): Promise<void> {
    const { random } = this.#options;
    if (random.next() < 0.1) return; // deleted in the middle
    await this.#leaves(id, ['RESIZE']);
    const choice = random.next();
    if (choice < 0.1) return;
    if (choice < 0.55) await this.#act('confirm', id, { confirmResize: null }, [204, 400, 409]);
    else {
      await this.#act('revert', id, { revertResize: null }, [202, 400, 409]);
      await this.#leaves(id, ['REVERT_RESIZE']);
    }
  }

  async #liveMigrate(id: string): Promise<void> {
    const { random, session } = this.#options;
    const moved = await this.#act('live-migrate', id, { 'os-migrateLive': { host: null, block_migration: 'auto' } }, [
      ...TAKEN_OR_BUSY,
      400,
    ]);
    if (moved.status !== 202) return;
    const choice = random.next();
    if (choice < 0.5) {
      const { body } = await session.ask<{ migrations: { id: number }[] }>('list-migrations', ['GET', `/servers/${id}/migrations`], [200]);
      const path = `/servers/${id}/migrations/${body.migrations[0]?.id}`;
      // 400, 404, 409: it is over already, or cannot be ended at this point.
      if (body.migrations.length > 0 && choice < 0.25) await session.ask('abort', ['DELETE', path], [202, 400, 404, 409]);
      else if (body.migrations.length > 0)
        await session.ask('force-complete', ['POST', `${path}/action`, { body: { force_complete: null } }], [202, 400, 404, 409]);
    }
    await this.#leaves(id, ['MIGRATING']);
  }

  /** What was accepted shows at once. */
  async #metadata(id: string): Promise<void> {
    const { random, session, wrong } = this.#options;
    const metadata = { round: String(Math.floor(random.next() * 1e9)) };
    const path = `/servers/${id}/metadata`;
    if ((await session.ask('metadata', ['PUT', path, { body: { metadata } }], [200, 409])).status !== 200) return;
    const { body } = await session.ask<{ metadata: object }>('show-metadata', ['GET', path], [200]);
    if (JSON.stringify(body.metadata) !== JSON.stringify(metadata))
      wrong.push(`metadata of ${id}: wrote ${JSON.stringify(metadata)}, read ${JSON.stringify(body.metadata)}`);
  }

  async #rename(id: string): Promise<void> {
    const { session } = this.#options;
    const { body } = await session.ask<{ server: { name: string } }>('show', ['GET', `/servers/${id}`], [200]);
    // The name stays: by it the servers of a request are counted.
    await session.ask('update', ['PUT', `/servers/${id}`, { body: { server: { name: body.server.name } } }], [200]);
  }

  async #lock(id: string): Promise<void> {
    await this.#act('lock', id, { lock: null }, [202]);
    await this.#act('unlock', id, { unlock: null }, [202]);
  }

  /** Waits, for a bounded number of looks, until the server shows another status. */
  async #leaves(id: string, statuses: readonly string[]): Promise<void> {
    for (let look = 0; look < LOOKS; look += 1) {
      const { status, body } = await this.#options.session.ask<{ server: { status: string } }>('show', ['GET', `/servers/${id}`], [200]);
      if (status !== 200 || !statuses.includes(body.server.status)) return;
      await pause(LOOK_MS);
    }
  }

  async #delete(request: Request): Promise<void> {
    const { session, random } = this.#options;
    for (const id of request.ids) {
      const force = random.next() < 0.1;
      const answer = force
        ? await this.#act('force-delete', id, { forceDelete: null }, [202, 404, 409])
        : await session.ask('delete', ['DELETE', `/servers/${id}`], [204, 404]);
      // 404: an earlier attempt did it, whose answer was lost. In the end the server must be gone all the same.
      if (answer.status === 409) return;
    }
    request.deletionAccepted = true;
  }
}
