/**
 * Accepts an action on a server: scope, lock and state are judged and the state that shows it is set in one transaction,
 * which also writes the task. Whatever runs already is not waited for.
 */
import { type ActOnServer, failure } from '@kilonova/objects';
import { Empty } from '@kilonova/rpc';
import { gateLimits, RequestGate } from '../admission/request-gate.ts';
import { addActions } from '../db/action-events.ts';
import type { Transaction } from '../db/connection.ts';
import { changeInstances, type InstanceRow, lockInstances } from '../db/instance-changes.ts';
import { isUuid } from '../db/rows.ts';
import { openMigration } from '../db/server-migrations.ts';
import * as tasks from '../db/tasks.ts';
import type { Services } from '../services.ts';
import { acceptTogether, isSimple } from './accept-together.ts';
import { acceptedBefore, actionOf, type Begun, checkRule, checkScope, notFound } from './acceptance.ts';
import { abortMigration, acceptRevert, confirmResize, forceCompletion } from './moves/accept-ending.ts';
import {
  acceptEvacuation,
  acceptLiveMigration,
  acceptMigrate,
  acceptResize,
  refuseLiveMigration,
  wantsChecks,
} from './moves/accept-move.ts';
import { chooseHosts, refuseWithoutRoom } from './moves/live-destination.ts';
import { goOnAfter } from './engine/go-on.ts';

/**
 * Accepts actions; the simple ones (power, delete) that come at the same time share a transaction.
 *
 * The function throws ServerNotFound, PolicyDenied, ServerLocked, ServerStateConflict, ServerNotReady, ServerBusy, InvalidInput.
 */
export function actionAcceptance(services: Services): (request: ActOnServer) => Promise<Empty> {
  const simple = new RequestGate<ActOnServer, Empty>({
    ...gateLimits(services),
    admit: (requests) => acceptTogether(services, requests),
    busy,
  });
  return async (request) => {
    if (!isUuid(request.uuid)) throw notFound(request.uuid);
    return isSimple(request) ? simple.admit(request) : acceptAlone(services, request);
  };
}

const busy = ({ uuid }: ActOnServer) => failure('ServerBusy', `Instance ${uuid} is busy.`);

async function acceptAlone(services: Services, request: ActOnServer): Promise<Empty> {
  const { knex, engine, config } = services;
  const chosen = wantsChecks(request) ? await lookForDestination(services, request) : [];
  for (let retries = 0; ; retries += 1) {
    let woken: readonly string[] = [];
    const commit = knex.transaction(async (trx) => {
      const accepted = await accept(services, trx, request, chosen);
      if (accepted !== 'again') woken = accepted;
      return accepted !== 'again';
    });
    if (await goOnAfter(commit, () => engine.wake(woken))) return new Empty();
    // It got a task between the two looks at it.
    if (retries >= config.conductor.raceRetries) throw busy(request);
  }
}

/** All that would refuse it, and then whether the scheduler has a host for it. Nothing is written. @returns hosts to try first */
async function lookForDestination(services: Services, request: ActOnServer): Promise<readonly string[]> {
  const host = await services.knex.transaction(async (trx) => {
    const begun = await begin(services, trx, request);
    if (begun === 'again') throw busy(request);
    if (begun === 'done') return undefined;
    await refuseLiveMigration(begun, true);
    if (request.options['force'] === 'true') await refuseWithoutRoom(begun);
    return begun.instance.host!;
  });
  return host === undefined || request.options['force'] === 'true' ? [] : chooseHosts(services, request, host);
}

/** The server in the state that allows the action, locked; `done` when the message came before. */
async function begin(services: Services, trx: Transaction, request: ActOnServer): Promise<Begun | 'again' | 'done'> {
  const uuid = request.uuid.toLowerCase();
  const live = (await tasks.lockOfInstances(trx, [uuid])).get(uuid);
  const instances = await lockInstances(trx, [uuid]);
  if ((await acceptedBefore(trx, [request], instances)).has(request)) return 'done';
  const instance = checkScope(request, instances.get(uuid));
  // Locks are taken task first; with the instance locked nobody gives it another one.
  if (live === undefined && (await tasks.liveOf(trx, [uuid])).has(uuid)) return 'again';
  const decidable = DECISIONS.has(request.action) && (await waitsForDecision(trx, instance));
  const rule = checkRule(request, decidable ? { ...instance, vmState: 'resized' } : instance);
  return { services, trx, request, instance, live, rule };
}

const DECISIONS: ReadonlySet<string> = new Set(['confirmResize', 'revertResize']);

/**
 * Whether the server can be confirmed or reverted although it does not show so: its state was reset, or a revert failed. Its source keeps
 * what it has until somebody decides.
 */
const waitsForDecision = async (trx: Transaction, { uuid, vmState }: InstanceRow): Promise<boolean> =>
  (vmState === 'active' || vmState === 'stopped' || vmState === 'error') && (await openMigration(trx, uuid))?.status === 'finished';

async function accept(
  services: Services,
  trx: Transaction,
  request: ActOnServer,
  chosen: readonly string[],
): Promise<readonly string[] | 'again'> {
  const begun = await begin(services, trx, request);
  if (begun === 'again') return 'again';
  if (begun === 'done') return [];
  const { action, options } = request;
  switch (action) {
    case 'lock':
      return change(begun, { locked: true, lockedReason: options['reason'] ?? null });
    case 'unlock':
      return change(begun, { locked: false, lockedReason: null });
    case 'resize':
      return acceptResize(begun);
    case 'migrate':
      return acceptMigrate(begun);
    case 'confirmResize':
      return confirmResize(begun);
    case 'revertResize':
      return acceptRevert(begun);
    case 'liveMigrate':
      return acceptLiveMigration(begun, chosen);
    case 'abortMigration':
      return abortMigration(begun);
    case 'forceCompleteMigration':
      return forceCompletion(begun);
    case 'evacuate':
      return acceptEvacuation(begun);
    default:
      return change(begun, { vmState: options['state'] === 'active' ? 'active' : 'error', taskState: null });
  }
}

/** Actions that are done by being accepted. */
async function change(
  { trx, request, instance }: Begun,
  to: Omit<Parameters<typeof changeInstances>[1][number], 'uuid'>,
): Promise<readonly string[]> {
  await changeInstances(trx, [{ uuid: instance.uuid, ...to }]);
  await addActions(trx, [actionOf(request, instance, request.action)]);
  return [];
}
