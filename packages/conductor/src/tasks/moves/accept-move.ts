/** Accepts moves: what is checked, what a resize counts as, the migration's row and the task, in the accepting transaction. */
import { type ActOnServer, failure, type Flavor, type MigrationType, type TaskState } from '@kilonova/objects';
import { serversThatFit } from '../../admission/server-count.ts';
import { refuseZeroDisk } from '../../admission/zero-disk.ts';
import { leaveOthersBehind } from '../../db/cleanups.ts';
import { findFlavor } from '../../db/flavors.ts';
import { holdHost, hostIsKnown, hostIsUp, hostReports, hostSigns } from '../../db/hosts-up.ts';
import { changeInstances } from '../../db/instance-changes.ts';
import { lockUsage, readUsage, releaseUsage, takeUsage } from '../../db/quota-usages.ts';
import { limitsOf } from '../../db/quotas.ts';
import { changeMigrations, insertMigration, openMigration } from '../../db/server-migrations.ts';
import { type Begun, record, type Woken } from '../acceptance.ts';
import { coldWords } from './cold-move.ts';
import { countAs, largerOf } from './counting.ts';
import { evacuationWords } from './evacuate.ts';
import { hostNotFound, type Obstacle, obstacleOf } from './live-checks.ts';
import { liveWords } from './live-move.ts';
import { beginning, type MoveParams, type MoveWords } from './move.ts';
import { QUEUE_KIND } from './queue-live-move.ts';

/** @throws ResizeInvalid, PolicyDenied, QuotaExceeded, ServiceUnavailable, ServerBusy */
export async function acceptResize(begun: Begun): Promise<Woken> {
  const { trx, request, instance } = begun;
  const { flavorId, diskConfig } = request.options;
  await refuseDownSource(begun);
  const flavor = await newFlavor(begun, flavorId ?? '');
  const { flavor: old } = instance;
  const counted = largerOf(old, flavor);
  await changeInstances(trx, [{ uuid: instance.uuid, ...counted, ...(diskConfig !== null && diskConfig !== undefined && { diskConfig }) }]);
  const woken = await accept(begun, coldWords, { type: 'resize', action: 'resize', taskState: 'resize_prep', flavor });
  // Quota is taken last: creates of the same project wait for its row.
  await takeDifference(begun, { cores: counted.vcpus - instance.vcpus, ram: counted.memoryMb - instance.memoryMb });
  return woken;
}

/** @throws MigrationInvalid, ServiceUnavailable, ServerBusy */
export async function acceptMigrate(begun: Begun): Promise<Woken> {
  const { trx, request, instance } = begun;
  const host = request.options['host'] ?? null;
  await refuseDownSource(begun);
  if (host !== null && host === instance.host) throw failure('MigrationInvalid', 'Cannot migrate to the host where the server exists.');
  if (host !== null && !(await hostIsKnown(trx, host))) throw asFailure(hostNotFound(host));
  return accept(begun, coldWords, { type: 'migration', action: 'migrate', taskState: 'resize_prep', wantedHost: host });
}

/**
 * @param chosen what the scheduler named before it was accepted, for clients that want to know at once
 * @throws MigrationInvalid, HostUnavailable, ServerBusy
 */
export async function acceptLiveMigration(begun: Begun, chosen: readonly string[]): Promise<Woken> {
  const { services, request } = begun;
  const queued = services.engine.knows(QUEUE_KIND);
  // Without the task that looks for obstacles nobody else would.
  await refuseLiveMigration(begun, wantsChecks(request) || !queued);
  return accept(begun, queued ? { ...liveWords, kind: QUEUE_KIND } : liveWords, {
    ...{ type: 'live-migration', action: 'live-migration', taskState: 'migrating', wantedHost: request.options['host'] ?? null },
    ...{ chosen, forced: request.options['force'] === 'true' },
    ...{ deadlineMs: services.config.conductor[queued ? 'liveQueueDeadlineMs' : 'moveDeadlineMs'] },
  });
}

/** Whether what can never work shall be refused, as clients up to 2.33 expect, and not show in the instance action. */
export const wantsChecks = ({ action, options }: ActOnServer): boolean => action === 'liveMigrate' && options['async'] !== 'true';

/** A host that nobody knows is refused in any case. @throws MigrationInvalid, HostUnavailable */
export async function refuseLiveMigration({ trx, request, instance }: Begun, checked: boolean): Promise<void> {
  const wantedHost = request.options['host'] ?? null;
  const signs = await hostSigns(trx, [instance.host!, ...(wantedHost === null ? [] : [wantedHost])]);
  if (wantedHost !== null && !signs.has(wantedHost)) throw asFailure(hostNotFound(wantedHost));
  const obstacle = checked ? obstacleOf({ instanceUuid: instance.uuid, host: instance.host!, wantedHost }, signs) : undefined;
  if (obstacle !== undefined) throw asFailure(obstacle);
}

const asFailure = ({ code, message }: Obstacle) => failure(code, message);

/** @throws HostStillUp, MigrationInvalid, HostNotFound, ServerBusy */
export async function acceptEvacuation(begun: Begun): Promise<Woken> {
  const { services, trx, request, instance } = begun;
  const host = request.options['host'] ?? null;
  if (host !== null && host === instance.host) throw failure('MigrationInvalid', "The target host can't be the same one.");
  if (host !== null && !(await hostIsKnown(trx, host))) throw failure('HostNotFound', `Compute host ${host} not found.`);
  const refuseIfUp = (up: boolean) => {
    if (up) throw failure('HostStillUp', `Compute service of ${instance.host} is still in use.`);
  };
  refuseIfUp((await hostIsUp(trx, instance.host!)) || (await hostReports(trx, instance.host!, services.config.conductor.serviceDownMs)));
  return accept(begun, evacuationWords, {
    ...{ type: 'evacuation', action: 'evacuate', taskState: 'rebuilding', wantedHost: host },
    forced: request.options['force'] === 'true',
    stopped: request.options['stopped'] === 'true' || instance.vmState === 'stopped',
    // A host that came up just before the commit would get work although what is evacuated from it may run.
    lastly: async () => refuseIfUp(await holdHost(trx, instance.host!)),
  });
}

/** Tasks that an evacuation takes over. */
const HOPELESS: readonly string[] = ['start-instance', 'stop-instance', 'reboot-instance', QUEUE_KIND];

interface Move {
  readonly type: MigrationType;
  readonly action: string;
  readonly taskState: TaskState;
  readonly flavor?: Flavor;
  readonly wantedHost?: string | null;
  readonly forced?: boolean;
  readonly stopped?: boolean;
  readonly chosen?: readonly string[];
  /** Default: a move's. */
  readonly deadlineMs?: number;
  /** Locks hosts, so it comes behind everything but quota. */
  readonly lastly?: () => Promise<void>;
}

async function accept(begun: Begun, { kind, events }: MoveWords, move: Move): Promise<Woken> {
  const { services, trx, request, instance, live, rule } = begun;
  const { uuid, host, node, generation, vmState, flavor: old } = instance;
  const { scope } = request;
  // Orders to a host that is down wait in vain.
  const preempts = move.type === 'evacuation' && live?.cancel === null && HOPELESS.includes(live.kind);
  if (live !== undefined && !preempts)
    throw failure('ServerBusy', `Cannot '${rule.title}' instance ${uuid} while another action on it is not finished`);
  // The flavor that it might have gone back to counts no more.
  const settled = (await settleOpen(begun, 'error')) && move.type !== 'resize';
  await changeInstances(trx, [{ uuid, taskState: move.taskState, progress: 0 }]);
  // The task of minor 1 tells that every conductor would end the outer one.
  await record(begun, move.action, services.engine.knows(QUEUE_KIND) ? beginning(events) : [events.accept], null);
  const migrationUuid = services.random.uuid();
  await insertMigration(trx, {
    ...{ uuid: migrationUuid, instanceUuid: uuid, projectId: scope.projectId, userId: scope.userId, requestId: scope.requestId },
    ...{ type: move.type, status: kind === coldWords.kind ? 'pre-migrating' : 'accepted', oldVmState: vmState },
    ...{ sourceHost: host!, sourceNode: node, sourceGeneration: generation, oldFlavor: old, newFlavor: move.flavor ?? old },
  });
  const params: MoveParams = {
    ...{ host: host!, generation, migrationUuid, vmState, flavor: move.flavor ?? null, attempt: 1, failures: [] },
    ...{ wantedHost: move.wantedHost ?? null, forced: move.forced ?? false, ...(move.stopped === true && { stopped: true }) },
    ...(move.chosen !== undefined && move.chosen.length > 0 && { chosen: move.chosen }),
  };
  const deadlineMs = move.deadlineMs ?? services.config.conductor.moveDeadlineMs;
  const id = live?.id ?? services.random.uuid();
  if (live === undefined)
    await services.engine.createTasks(trx, [{ id, kind, instanceUuid: uuid, requestId: scope.requestId, params, deadlineMs }]);
  else await services.engine.cancel(trx, id, { kind: 'evacuate', requestId: scope.requestId, params, deadlineMs });
  await move.lastly?.();
  if (settled) await releaseUsage(trx, await countAs(trx, [{ instance, flavor: old }]));
  return [id];
}

/**
 * A move that waits for somebody to decide is decided by what comes now: what its other host keeps must go.
 *
 * @returns whether there was one
 */
export async function settleOpen({ trx, instance, request }: Begun, status: 'confirmed' | 'error'): Promise<boolean> {
  const open = await openMigration(trx, instance.uuid);
  if (open === undefined) return false;
  const { uuid, host, generation } = instance;
  await changeMigrations(trx, [{ uuid: open.uuid, status }]);
  await leaveOthersBehind(trx, [
    { instanceUuid: uuid, host, generation, requestId: request.scope.requestId, reason: `the migration ended as ${status}` },
  ]);
  return true;
}

async function refuseDownSource({ trx, instance }: Begun): Promise<void> {
  if (!(await hostIsUp(trx, instance.host!))) throw failure('ServiceUnavailable', 'Service is unavailable at this time.');
}

async function newFlavor({ trx, request: { scope, options }, instance }: Begun, flavorId: string): Promise<Flavor> {
  const sight = { admin: scope.admin, projectId: scope.projectId };
  const flavor = await findFlavor(trx, sight, flavorId).catch((error: unknown) => {
    if ((error as { code?: string }).code !== 'FlavorNotFound') throw error;
    throw failure('ResizeInvalid', `Flavor ${flavorId} could not be found.`);
  });
  if (flavor.disabled) throw failure('ResizeInvalid', `Flavor ${flavorId} could not be found.`);
  if (flavor.flavorId === instance.flavor.flavorId) throw failure('ResizeInvalid', 'When resizing, instances must change flavor!');
  const why = flavor.rootGb === 0 ? 'Resize to zero disk flavor is not allowed.' : 'Resize to a smaller root disk is not allowed.';
  if (flavor.rootGb < instance.flavor.rootGb) throw failure('ResizeInvalid', `Server disk was unable to be resized because: ${why}`);
  refuseZeroDisk(flavor, options['zeroDiskDeniedBy']);
  return flavor;
}

/** A larger flavor takes what it is larger by, of the server's own project. @throws QuotaExceeded */
async function takeDifference({ services, trx, instance }: Begun, more: { readonly cores: number; readonly ram: number }): Promise<void> {
  const { projectId, userId } = instance;
  // What it counted as before may have been larger still, when a resize before this one was never decided about.
  if (more.cores < 0 || more.ram < 0)
    await releaseUsage(trx, [{ projectId, userId, instances: 0, cores: Math.max(0, -more.cores), ram: Math.max(0, -more.ram) }]);
  if (more.cores <= 0 && more.ram <= 0) return;
  const each = { instances: 0, cores: Math.max(0, more.cores), ram: Math.max(0, more.ram) };
  const limits = await limitsOf(trx, services.config.quota, projectId, userId);
  await lockUsage(trx, [{ projectId, userId }]);
  const used = await readUsage(trx, projectId, userId);
  const fit = serversThatFit({ min: 1, max: 1, each }, [
    { limits: limits.project, used: used.project },
    { limits: limits.user, used: used.user },
  ]);
  if ('refusal' in fit) throw failure('QuotaExceeded', fit.refusal);
  await takeUsage(trx, [{ projectId, userId, ...each }]);
}
