import type { MigrationStatus } from '@kilonova/objects';
import { startEvents } from '../../db/action-events.ts';
import { moveHosts } from '../../db/claims.ts';
import type { Transaction } from '../../db/connection.ts';
import { addFaults, changeInstances, type InstanceRow, lockInstances } from '../../db/instance-changes.ts';
import { releaseUsage } from '../../db/quota-usages.ts';
import { changeMigrations, readMigrations } from '../../db/server-migrations.ts';
import { mayHaveDone, type StepContext } from '../engine/definition.ts';
import type { NewTask } from '../engine/new-task.ts';
import type { TaskServices } from '../services.ts';
import { countAs } from './counting.ts';
import {
  claimOf,
  destinationOf,
  failEvents,
  isThere,
  type MoveBatch,
  type MoveItem,
  type MoveParams,
  type MoveWords,
  outcomeOf,
  runsIn,
  settlingKind,
  staysOnHost,
  uuidsOf,
  wasSent,
} from './move.ts';
import { isOver, nextAsking } from './asking-on.ts';
import { offerPlaces } from './places.ts';
import { takeBackInPlace } from './resize-in-place.ts';
import { deletion } from './deletion.ts';
import type { RestoreParams } from './restore-instance.ts';

/** How a move that was taken back goes on. */
type Ending = 'delete' | 'next host' | 'restore' | 'ask on' | 'lost' | 'as before';

/** By transaction and task. */
const decided = new WeakMap<Transaction, Map<string, Ending>>();

/**
 * Decided once in the transaction of an unwinding: what its undos leave behind and how the move goes on must agree, however
 * late it gets meanwhile and whoever else comes or goes.
 */
export function endingOf(trx: Transaction, item: MoveItem, words: MoveWords, services: Deciding): Ending {
  const endings = decided.get(trx) ?? new Map<string, Ending>();
  const ending = endings.get(item.id) ?? decide(item, words, services);
  decided.set(trx, endings.set(item.id, ending));
  return ending;
}

type Deciding = Pick<TaskServices, 'clock' | 'config' | 'knows'>;

/**
 * The destination failed it before anything was sent: another one is tried. The source was told to send: it is told to
 * go on, as is the host of a resize that stays. The destination was told to run it and says nothing: it may run there, so nobody
 * starts it anywhere, and it is asked until it answers that it has it or has not.
 */
function decide(item: MoveItem, words: MoveWords, services: Deciding): Ending {
  const { cancel, failure, outputs, params } = item;
  if (cancel?.kind === 'delete') return 'delete';
  if (staysOnHost(item)) return 'restore';
  const transferring = outputs['startTransfer'] !== undefined;
  const uncertain = mayHaveDone(failure);
  if (params.silent !== undefined) {
    if (!uncertain && !isThere(item)) return 'restore';
    return isOver(services, params.silent.asking) ? 'lost' : 'ask on';
  }
  if (!transferring) {
    const more = params.attempt < services.config.maxAttempts && params.wantedHost === null;
    return cancel === null && !uncertain && more && claimOf(item)?.destination !== undefined ? 'next host' : 'as before';
  }
  const finishing = outputs['startFinish'] !== undefined;
  if (finishing && (uncertain || isThere(item))) return services.knows(settlingKind(words)) ? 'ask on' : 'lost';
  // A live guest whose sending failed goes on where it is; one that the source said nothing about is taken back.
  return words.live && outcomeOf(item, 'transferred')?.failure?.unanswered !== true && cancel === null ? 'as before' : 'restore';
}

/** In the transaction of the undos, which left the destination's part to its cleanup. */
export async function unwoundMove(words: MoveWords, batch: MoveBatch, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  const { publisher, log } = context.services;
  const instances = await lockInstances(trx, uuidsOf(batch));
  const endings = batch.map((item) => ({
    item,
    instance: instances.get(item.instanceUuid!),
    ending: endingOf(trx, item, words, context.services),
  }));
  const endingIn = (...wanted: readonly Ending[]) => endings.filter(({ ending }) => wanted.includes(ending));

  // What is still asked about is neither over nor failed: only the server says that nobody knows where it runs.
  const over = endings.filter(({ ending }) => ending !== 'ask on').map(({ item }) => item);
  await failEvents(trx, over, words);
  await endMigrations(
    words,
    trx,
    endings.filter(({ ending }) => ending !== 'next host' && ending !== 'ask on').map(({ item }) => item),
  );
  await changeInstances(
    trx,
    endingIn('as before', 'ask on', 'lost').map(({ item, ending }) => ({
      uuid: item.instanceUuid!,
      ...{ taskState: null, progress: 0 },
      ...(ending !== 'as before' && { vmState: 'error' as const, powerState: 0 as const }),
    })),
  );
  // Said once: it is still so when nobody ever answered.
  const unknown = endingIn('ask on', 'lost')
    .map(({ item }) => item)
    .filter(({ params }) => params.silent === undefined);
  await addFaults(
    trx,
    unknown.map((item) => ({
      instanceUuid: item.instanceUuid!,
      code: 500,
      message: `The server may run on host ${claimOf(item)!.destination!.host}: ${item.failure?.message ?? ''}`,
      details: '',
    })),
  );
  // Also of one that is deleted: its owner removes what is there then, of whatever flavor.
  const back = await takeBackInPlace(trx, batch.filter(staysOnHost));
  for (const { item, ending } of endings) {
    const generation = back.generations.get(item.id) ?? item.params.generation;
    const task = nextTask(item, ending, generation, words, context.services);
    if (task !== undefined) context.follow(task);
    log.info({ instanceUuid: item.instanceUuid, kind: words.kind, ending, reason: item.failure?.message }, 'move taken back');
  }
  const retried = endingIn('next host').map(({ item }) => item);
  await startEvents(
    trx,
    retried.map(({ instanceUuid, requestId }) => ({ instanceUuid: instanceUuid!, requestId, event: words.events.accept, host: null })),
  );
  const touched = await moveHosts(
    trx,
    over
      .map((item) => claimOf(item)?.destination)
      .filter((destination) => destination !== undefined)
      .map(({ host }) => ({ host, ioOps: -1 })),
  );
  // What a larger flavor counted as besides; one that is deleted gives everything back then.
  const freed = await countAs(
    trx,
    endingIn('as before', 'lost', 'restore')
      .map(({ instance }) => instance)
      .filter((instance): instance is InstanceRow => instance !== undefined && instance.deletedAt === null)
      .map((instance) => ({ instance, flavor: instance.flavor })),
  );
  context.atEnd(releaseUsage, freed);
  if (words.live)
    offerPlaces(
      endings.filter(({ ending }) => ending !== 'next host').map(({ item }) => item.params.host),
      context,
    );
  context.afterCommit(() => publisher.hostsTouched([...back.touched, ...touched]));
}

/** Only live ones are documented to be cancelled. */
async function endMigrations(words: MoveWords, trx: Transaction, batch: MoveBatch): Promise<void> {
  const migrations = await readMigrations(
    trx,
    batch.map(({ params }) => params.migrationUuid),
  );
  const statusOf = ({ params, cancel }: MoveItem): MigrationStatus =>
    (cancel !== null && words.live) || migrations.get(params.migrationUuid)?.abortRequested === true ? 'cancelled' : 'error';
  await changeMigrations(
    trx,
    batch.map((item) => ({ uuid: item.params.migrationUuid, status: statusOf(item) })),
  );
}

/** @param generation the owner's */
function nextTask(item: MoveItem, ending: Ending, generation: number, words: MoveWords, services: TaskServices): NewTask | undefined {
  const { random, config } = services;
  const { instanceUuid, requestId, params, failure } = item;
  switch (ending) {
    case 'delete':
      return deletion(item, { host: params.host, generation }, services);
    case 'next host': {
      const failed = { host: claimOf(item)!.destination!.host, message: failure?.message ?? 'unknown' };
      const next: MoveParams = { ...params, attempt: params.attempt + 1, failures: [...params.failures, failed] };
      return { id: random.uuid(), kind: words.kind, instanceUuid, requestId, params: next, deadlineMs: config.moveDeadlineMs };
    }
    case 'ask on': {
      const { deadlineMs, ...asking } = nextAsking(services, params.silent?.asking);
      const silent = { destination: destinationOf(item), sent: wasSent(item), asking };
      return { id: random.uuid(), kind: settlingKind(words), instanceUuid, requestId, params: { ...params, silent }, deadlineMs };
    }
    case 'restore': {
      const { host, vmState } = params;
      const restore: RestoreParams = { host, generation, vmState, running: runsIn(vmState) };
      return {
        ...{ id: random.uuid(), kind: 'restore-instance', instanceUuid, requestId, params: restore },
        deadlineMs: config.moveStepDeadlineMs,
      };
    }
    default:
      return undefined;
  }
}
