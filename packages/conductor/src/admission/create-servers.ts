import { failure, ServersCreated, type CreateServers, type Flavor, type Image } from '@kilonova/objects';
import type { Transaction } from '../db/connection.ts';
import { keepAnswer, takeKey, type IdempotencyScope } from '../db/idempotency.ts';
import { insertServers, type NewServer } from '../db/new-servers.ts';
import { keptUsage, lockUsage, takeUsage, takeUsageWithin, type UsageChange } from '../db/quota-usages.ts';
import { limitsOf, type Limits } from '../db/quotas.ts';
import { findReferences, lockGroup, type References } from '../db/references.ts';
import { isUuid } from '../db/rows.ts';
import { refuseIfDenied } from '../handlers/scopes.ts';
import { refuseTooMuchMetadata } from '../handlers/servers.ts';
import type { Services } from '../services.ts';
import { serversThatFit } from './server-count.ts';
import { hostnameOf, nameOf } from './server-names.ts';

interface Answer {
  readonly reservationId: string;
  readonly serverUuids: readonly string[];
}

/**
 * Accepts a create request in one transaction: its key, what it names, quota, the servers, their actions and the task that
 * drives them. The number of statements does not depend on the number of servers.
 *
 * @throws IdempotencyConflict, FlavorInvalid, FlavorTooSmall, KeypairInvalid, GroupInvalid, ZoneInvalid, HostInvalid, QuotaExceeded, InvalidInput
 */
export async function createServers(services: Services, request: CreateServers): Promise<ServersCreated> {
  const { knex, engine, config } = services;
  refuseIfDenied(request.scope);
  refuseBadCount(request, config.conductor.maxServersPerRequest);
  const key: IdempotencyScope = {
    projectId: request.scope.projectId,
    userId: request.scope.userId,
    route: 'POST /servers',
    key: request.idempotencyKey,
  };
  const admit = (quota: Quota) =>
    knex.transaction(async (trx) => {
      const earlier = await takeKey<Answer>(trx, key, request.bodyHash, config.conductor.idempotencyHours);
      if (earlier !== null) {
        if (earlier.bodyHash !== request.bodyHash)
          throw failure('IdempotencyConflict', 'The Idempotency-Key was used before for a request with another body.');
        return { answer: earlier.response, taskId: null };
      }
      const accepted = await accept(services, trx, request, quota);
      await keepAnswer(trx, key, accepted.answer);
      if (!accepted.taken && !(await takeUsageWithin(trx, accepted.usage, accepted.limits))) throw new QuotaMoved();
      return accepted;
    });
  const { answer, taskId } = await admit('taken last').catch((error: unknown) => {
    if (error instanceof QuotaMoved) return admit('taken first');
    throw error;
  });
  if (taskId !== null) engine.wake([taskId]);
  return Object.assign(new ServersCreated(), answer, { replayed: taskId === null });
}

/**
 * Every create of a project changes the same two rows of quota. Taken last, they are locked for the commit alone, and the
 * creates of a project run side by side. When what was read before does not hold at the end, all is rolled back and done once
 * more with the rows locked first.
 */
type Quota = 'taken last' | 'taken first';

/** Others took quota meanwhile; nothing was changed. */
class QuotaMoved extends Error {
  override name = 'QuotaMoved';
}

interface Accepted {
  readonly answer: Answer;
  readonly taskId: string;
  /** What the servers count as, and what it must fit into. */
  readonly usage: UsageChange;
  /** It is counted in already. */
  readonly taken: boolean;
  readonly limits: { readonly project: Limits; readonly user: Limits };
}

async function accept(services: Services, trx: Transaction, request: CreateServers, quota: Quota): Promise<Accepted> {
  const { random, engine, config } = services;
  const { scope } = request;
  const references = await findReferences(trx, request, config.conductor.defaultZone);
  const flavor = checkReferences(request, references);
  const limits = await limitsOf(trx, config.quota, scope.projectId, scope.userId);
  refuseTooMuchMetadata(request.metadata, limits.user.metadata_items);
  const group = groupOf(request);
  const members = group === null ? 0 : await membersOf(trx, request, group);
  const { usage, taken } = await quotaFor(trx, request, flavor, limits, quota);
  const count = usage.instances;
  if (group !== null) refuseCrowd(members + count, limits.user.server_group_members);

  const servers = Array.from({ length: count }, (_, launchIndex): NewServer => {
    const uuid = random.uuid();
    const name = nameOf(request.name, launchIndex, count);
    return { uuid, name, hostname: request.hostname ?? hostnameOf(name, uuid), launchIndex };
  });
  const reservationId = `r-${random.text(8).toLowerCase()}`;
  await insertServers(trx, {
    ...request,
    servers,
    reservationId,
    flavor,
    projectId: scope.projectId,
    userId: scope.userId,
    requestId: scope.requestId,
    publicKey: references.publicKey,
    serverGroupUuid: group,
    requestSpec: { forcedHost: request.forcedHost, requestedHost: request.requestedHost, hints: request.hints },
  });
  const serverUuids = servers.map(({ uuid }) => uuid);
  const taskId = random.uuid();
  await engine.createTasks(trx, [
    {
      id: taskId,
      kind: 'create-servers',
      instanceUuid: null,
      requestId: scope.requestId,
      params: { instanceUuids: serverUuids },
      deadlineMs: config.conductor.createDeadlineMs,
    },
  ]);
  return { answer: { reservationId, serverUuids }, taskId, usage, taken, limits };
}

function refuseBadCount({ minCount, maxCount, hostname }: CreateServers, most: number): void {
  if (!Number.isInteger(minCount) || !Number.isInteger(maxCount) || minCount < 1 || minCount > maxCount)
    throw failure('InvalidInput', 'min_count must be <= max_count');
  if (maxCount > most) throw failure('InvalidInput', `max_count: expected at most ${most}, found ${maxCount}`);
  if (hostname !== null && maxCount > 1) throw failure('InvalidInput', 'Unable to allocate a single hostname to multiple instances');
}

function checkReferences(request: CreateServers, { flavor, publicKey, zoneTakesServers, hosts }: References): Flavor {
  const { forcedHost, requestedHost, availabilityZone, image } = request;
  if (flavor === null) throw failure('FlavorInvalid', `Flavor ${request.flavorId} could not be found.`);
  if (image !== null) refuseSmallFlavor(flavor, image);
  if (request.keyName !== null && publicKey === null) throw failure('KeypairInvalid', 'Invalid key_name provided.');
  for (const host of [forcedHost, requestedHost])
    if (host !== null && !hosts.includes(host)) throw failure('HostInvalid', `Compute host ${host} could not be found.`);
  if (availabilityZone !== null && forcedHost === null && !zoneTakesServers)
    throw failure('ZoneInvalid', 'The requested availability zone is not available');
  return flavor;
}

const GIB = 2 ** 30;

/** A root disk of 0 takes the image's size. */
function refuseSmallFlavor({ memoryMb, rootGb }: Flavor, { minRamMb, minDiskGb, size }: Image): void {
  if (memoryMb < minRamMb) throw failure('FlavorTooSmall', "Flavor's memory is too small for requested image.");
  if (rootGb === 0) return;
  if (size > rootGb * GIB)
    throw failure(
      'FlavorTooSmall',
      `Flavor's disk is too small for requested image. Flavor disk is ${rootGb * GIB} bytes, image is ${size} bytes.`,
    );
  if (minDiskGb > rootGb)
    throw failure(
      'FlavorTooSmall',
      `Flavor's disk is smaller than the minimum size specified in image metadata. ` +
        `Flavor disk is ${rootGb * GIB} bytes, minimum size is ${minDiskGb * GIB} bytes.`,
    );
}

/** As many servers as fit; taken at once by who locked the rows, which a project's first create has to make. */
async function quotaFor(
  trx: Transaction,
  request: CreateServers,
  flavor: Flavor,
  limits: { project: Limits; user: Limits },
  quota: Quota,
): Promise<Pick<Accepted, 'usage' | 'taken'>> {
  const { projectId, userId } = request.scope;
  const kept = quota === 'taken last' ? await keptUsage(trx, projectId, userId) : null;
  const used = kept ?? (await lockUsage(trx, projectId, userId));
  const each = { instances: 1, cores: flavor.vcpus, ram: flavor.memoryMb };
  const fit = serversThatFit({ min: request.minCount, max: request.maxCount, each }, [
    { limits: limits.project, used: used.project },
    { limits: limits.user, used: used.user },
  ]);
  if ('refusal' in fit) throw failure('QuotaExceeded', fit.refusal);
  const usage = { projectId, userId, instances: fit.count, cores: fit.count * each.cores, ram: fit.count * each.ram };
  if (kept === null) await takeUsage(trx, [usage]);
  return { usage, taken: kept === null };
}

function groupOf({ hints }: CreateServers): string | null {
  const group = hints['group'];
  if (group === undefined || group === null) return null;
  if (typeof group !== 'string') throw failure('GroupInvalid', 'The scheduler hint group: expected the uuid of a server group');
  if (!isUuid(group)) throw failure('GroupInvalid', `Instance group ${group} could not be found.`);
  return group;
}

/** How many servers of the user are in the group, which nobody else joins meanwhile. */
async function membersOf(trx: Transaction, { scope }: CreateServers, group: string): Promise<number> {
  const places = await lockGroup(trx, scope, group);
  if (places === null) throw failure('GroupInvalid', `Instance group ${group} could not be found.`);
  return places.members;
}

function refuseCrowd(members: number, most: number): void {
  if (most >= 0 && members > most) throw failure('QuotaExceeded', 'Quota exceeded, too many servers in group');
}
