/**
 * Accepts create requests, any number in one transaction: their keys, what they name, quota, the servers, their actions and
 * the task of each request. The number of statements depends neither on the number of requests nor on that of servers.
 */
import { failure, ServersCreated, type CreateServers } from '@kilonova/objects';
import type { Transaction } from '../db/connection.ts';
import { type FoundRequest, type GroupPlaces, lockGroups, readCreateRequests } from '../db/create-requests.ts';
import { keepAnswers, type KeptAnswer } from '../db/idempotency.ts';
import { insertServers, type NewServers } from '../db/new-servers.ts';
import { lockUsage, takeUsage, takeUsageWithin, type UsageRow } from '../db/quota-usages.ts';
import { type Limits, limitsFrom, type ProjectLimits } from '../db/quotas.ts';
import { refuseIfDenied } from '../handlers/scopes.ts';
import { refuseTooMuchMetadata } from '../handlers/servers.ts';
import type { Services } from '../services.ts';
import type { NewTask } from '../tasks/engine/new-task.ts';
import { checkGroup, checkReferences, groupOf } from './create-references.ts';
import { QuotaBook } from './quota-book.ts';
import { gateLimits, type Outcome, RequestGate } from './request-gate.ts';
import { hostnameOf, nameOf } from './server-names.ts';
import { type GoOn, goOnAfter } from '../tasks/engine/go-on.ts';

interface Answer {
  readonly reservationId: string;
  readonly serverUuids: readonly string[];
}

const ROUTE = 'POST /servers';

/**
 * Every create of a project changes the same two rows of quota. Taken last, they are locked for the commit alone, and the
 * creates of a project run side by side. When what was read before does not hold at the end, all is rolled back and done once
 * more with the rows locked first.
 */
type QuotaOrder = 'taken last' | 'taken first';

/** Others took quota meanwhile; nothing was changed. */
class QuotaMoved extends Error {
  override name = 'QuotaMoved';
}

/** Another transaction had one of the keys first; nothing was changed. */
class KeyTaken extends Error {
  override name = 'KeyTaken';
}

/**
 * One request alone.
 *
 * @throws PolicyDenied, IdempotencyConflict, FlavorInvalid, FlavorTooSmall, KeypairInvalid, GroupInvalid, ZoneInvalid, HostInvalid, QuotaExceeded, InvalidInput
 */
export async function createServers(services: Services, request: CreateServers): Promise<ServersCreated> {
  const [outcome] = await admitCreates(services, [request]);
  if (outcome === undefined || outcome === 'again') throw new Error('a request alone waits for no other');
  if ('refused' in outcome) throw outcome.refused;
  return outcome.accepted;
}

/** Lets create requests that come at the same time share a transaction. */
export function createGate(services: Services): RequestGate<CreateServers, ServersCreated> {
  return new RequestGate({
    ...gateLimits(services),
    admit: (requests) => admitCreates(services, requests),
    busy: () => failure('ServerBusy', 'Another request with the same key is not finished.'),
  });
}

/** @throws what the database throws; then no request of the batch was accepted */
export async function admitCreates(services: Services, requests: readonly CreateServers[]): Promise<readonly Outcome<ServersCreated>[]> {
  let order: QuotaOrder = 'taken last';
  for (let retries = 0; ;) {
    try {
      return await new Admission(services, requests, order).run();
    } catch (error) {
      if (error instanceof QuotaMoved) order = 'taken first';
      else if (!(error instanceof KeyTaken) || ++retries > services.config.conductor.raceRetries) throw error;
    }
  }
}

/** A request that has passed everything but quota. */
interface Passed {
  readonly index: number;
  readonly request: CreateServers;
  readonly found: FoundRequest;
  readonly limits: ProjectLimits;
  readonly group: string | null;
}

/** One attempt. */
class Admission {
  readonly #services: Services;
  readonly #requests: readonly CreateServers[];
  readonly #order: QuotaOrder;
  readonly #outcomes: Outcome<ServersCreated>[];
  readonly #servers: NewServers[] = [];
  readonly #tasks: NewTask[] = [];
  readonly #answers: KeptAnswer[] = [];
  #begin: GoOn = () => {};

  constructor(services: Services, requests: readonly CreateServers[], order: QuotaOrder) {
    this.#services = services;
    this.#requests = requests;
    this.#order = order;
    this.#outcomes = requests.map(() => 'again');
  }

  async run(): Promise<readonly Outcome<ServersCreated>[]> {
    const commit = this.#services.knex
      .transaction(async (trx) => {
        await this.#admit(trx);
        if (this.#tasks.length === 0) throw new NothingAccepted();
      })
      .catch((error: unknown) => {
        if (!(error instanceof NothingAccepted)) throw error;
      });
    await goOnAfter(commit, (answer) => this.#begin(answer));
    return this.#outcomes;
  }

  async #admit(trx: Transaction): Promise<void> {
    const { config, engine } = this.#services;
    const { defaultZone, idempotencyHours: hours } = config.conductor;
    const found = await readCreateRequests(trx, this.#requests, { route: ROUTE, defaultZone, hours });
    const groups = await lockGroups(trx, distinct(this.#requests.map(groupNamed)));
    const passed = this.#pass(found, groups);
    const [book, taken] = await this.#openBook(trx, passed);
    const joined: GroupJoins = new Map();
    for (const one of passed)
      this.#judge(one.index, () => {
        this.#accept(one, book, groups, joined);
      });
    if (this.#tasks.length === 0) return;
    if (!(await keepAnswers(trx, this.#answers, hours))) throw new KeyTaken();
    await insertServers(trx, this.#servers);
    this.#begin = await engine.createTasks(trx, this.#tasks);
    if (taken)
      await takeUsage(
        trx,
        book.changes.filter(({ userId }) => userId !== ''),
      );
    else if (!(await takeUsageWithin(trx, book.changes))) throw new QuotaMoved();
  }

  /** A refusal is the outcome of its request alone. */
  #judge(index: number, act: () => void): void {
    try {
      act();
    } catch (refused) {
      this.#outcomes[index] = { refused };
    }
  }

  /** Replays are answered, what cannot be is refused, and the rest goes on to quota. */
  #pass(found: readonly FoundRequest[], groups: ReadonlyMap<string, GroupPlaces>): readonly Passed[] {
    const { config } = this.#services;
    const passed: Passed[] = [];
    const keys = new Set<string>();
    for (const [index, request] of this.#requests.entries())
      this.#judge(index, () => {
        const of = found[index]!;
        refuseIfDenied(request.scope);
        refuseBadCount(request, config.conductor.maxServersPerRequest);
        const key = JSON.stringify([request.scope.projectId, request.scope.userId, request.idempotencyKey]);
        if (keys.has(key)) return;
        keys.add(key);
        if (of.earlier !== null) {
          if (of.earlier.bodyHash !== request.bodyHash)
            throw failure('IdempotencyConflict', 'The Idempotency-Key was used before for a request with another body.');
          this.#outcomes[index] = { accepted: Object.assign(new ServersCreated(), of.earlier.response, { replayed: true }) };
          return;
        }
        checkReferences(request, of);
        const limits = limitsFrom(config.quota, of.limits);
        refuseTooMuchMetadata(request.metadata, limits.user.metadata_items);
        const group = groupOf(request);
        if (group !== null) checkGroup(request, group, groups.get(group));
        passed.push({ index, request, found: of, limits, group });
      });
    return passed;
  }

  /** What is used already: as it was read, or, with a project's first create or after a lost race, as it is locked. */
  async #openBook(trx: Transaction, passed: readonly Passed[]): Promise<readonly [QuotaBook, taken: boolean]> {
    const lock = this.#order === 'taken first' || passed.some(({ found }) => found.usage.length < 2);
    const locked = lock
      ? await lockUsage(
          trx,
          passed.map(({ request: { scope } }) => ({ projectId: scope.projectId, userId: scope.userId })),
        )
      : [];
    const book = new QuotaBook();
    for (const { request, found, limits } of passed) {
      const { projectId, userId } = request.scope;
      const rows: readonly UsageRow[] = lock ? locked.filter((row) => row.project_id === projectId) : found.usage;
      book.open(
        { projectId, userId: '' },
        rows.find((row) => row.user_id === '')!,
        serverLimits(limits.project),
      );
      book.open(
        { projectId, userId },
        rows.find((row) => row.user_id === userId)!,
        serverLimits(limits.user),
      );
    }
    return [book, lock];
  }

  #accept(
    { index, request, found, limits, group }: Passed,
    book: QuotaBook,
    groups: ReadonlyMap<string, GroupPlaces>,
    joined: GroupJoins,
  ): void {
    const { random, config } = this.#services;
    const { scope } = request;
    const flavor = found.flavor!;
    const each = { instances: 1, cores: flavor.vcpus, ram: flavor.memoryMb };
    const fit = book.fit(scope, { min: request.minCount, max: request.maxCount, each });
    if ('refusal' in fit) throw failure('QuotaExceeded', fit.refusal);
    const { count } = fit;
    if (group !== null) {
      const member = JSON.stringify([group, scope.userId]);
      const members = (groups.get(group)?.members[scope.userId] ?? 0) + (joined.get(member) ?? 0) + count;
      refuseCrowd(members, limits.user.server_group_members);
      joined.set(member, (joined.get(member) ?? 0) + count);
    }
    book.take(scope, count, each);

    const servers = Array.from({ length: count }, (_, launchIndex) => {
      const uuid = random.uuid();
      const name = nameOf(request.name, launchIndex, count);
      return { uuid, name, hostname: request.hostname ?? hostnameOf(name, uuid), launchIndex };
    });
    const answer: Answer = { reservationId: `r-${random.text(8).toLowerCase()}`, serverUuids: servers.map(({ uuid }) => uuid) };
    this.#servers.push(newServers(request, found, group, servers, answer.reservationId));
    this.#answers.push({
      ...{ projectId: scope.projectId, userId: scope.userId, route: ROUTE, key: request.idempotencyKey },
      ...{ bodyHash: request.bodyHash, response: answer },
    });
    this.#tasks.push({
      id: random.uuid(),
      kind: 'create-servers',
      instanceUuid: null,
      requestId: scope.requestId,
      params: { instanceUuids: answer.serverUuids },
      deadlineMs: config.conductor.createDeadlineMs,
    });
    this.#outcomes[index] = { accepted: Object.assign(new ServersCreated(), answer, { replayed: false }) };
  }
}

/** Servers that the batch adds to groups, by group and user: the members that were counted do not know of them. */
type GroupJoins = Map<string, number>;

/** Rolls back what was only locked, or made for the locks. */
class NothingAccepted extends Error {
  override name = 'NothingAccepted';
}

const newServers = (
  request: CreateServers,
  { flavor, publicKey }: FoundRequest,
  serverGroupUuid: string | null,
  servers: NewServers['servers'],
  reservationId: string,
): NewServers => ({
  ...{ servers, reservationId, flavor: flavor!, publicKey, serverGroupUuid },
  ...{ projectId: request.scope.projectId, userId: request.scope.userId, requestId: request.scope.requestId },
  ...{ description: request.description, image: request.image, keyName: request.keyName, metadata: request.metadata, tags: request.tags },
  ...{ userData: request.userData, configDrive: request.configDrive, diskConfig: request.diskConfig },
  ...{ accessIpV4: request.accessIpV4, accessIpV6: request.accessIpV6, availabilityZone: request.availabilityZone },
  requestSpec: { forcedHost: request.forcedHost, requestedHost: request.requestedHost, hints: request.hints },
});

const serverLimits = ({ instances, cores, ram }: Limits) => ({ instances, cores, ram });

function refuseBadCount({ minCount, maxCount, hostname }: CreateServers, most: number): void {
  if (!Number.isInteger(minCount) || !Number.isInteger(maxCount) || minCount < 1 || minCount > maxCount)
    throw failure('InvalidInput', 'min_count must be <= max_count');
  if (maxCount > most) throw failure('InvalidInput', `max_count: expected at most ${most}, found ${maxCount}`);
  if (hostname !== null && maxCount > 1) throw failure('InvalidInput', 'Unable to allocate a single hostname to multiple instances');
}

function refuseCrowd(members: number, most: number): void {
  if (most >= 0 && members > most) throw failure('QuotaExceeded', 'Quota exceeded, too many servers in group');
}

/** What its group would be; a hint that is none is refused later. */
function groupNamed(request: CreateServers): string | null {
  try {
    return groupOf(request);
  } catch {
    return null;
  }
}

const distinct = (values: readonly (string | null)[]): readonly string[] => [...new Set(values.filter((value) => value !== null))];
