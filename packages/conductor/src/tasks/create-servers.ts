/**
 * Finds and claims hosts for instances of one request: asks the scheduler for all at once, claims what it proposes in one
 * transaction, and asks again for those that others were faster for. Each claimed instance goes on as a build of its own.
 */
import { startEvents } from '../db/action-events.ts';
import { allocate, lockHosts, readGroups } from '../db/claims.ts';
import { type InstanceRow, lockInstances } from '../db/instance-changes.ts';
import { changeInstances } from '../db/instance-changes.ts';
import type { Transaction } from '../db/connection.ts';
import { BUILD_EVENT, type BuildParams } from './build-instance.ts';
import { decideClaims } from './claim-decision.ts';
import { type Batch, type StepContext, Task, type TaskItem, type Verdict } from './engine/definition.ts';
import { type HostFailure, noValidHost } from './faults.ts';
import { failInstances } from './instance-endings.ts';
import type { TaskServices } from './services.ts';

export interface CreateParams {
  /** Equal instances of one request. */
  readonly instanceUuids: readonly string[];
  /** A further attempt of one instance after failed builds: where it may go without asking again, and what failed. */
  readonly retry?: { readonly alternates: readonly string[]; readonly failures: readonly HostFailure[]; readonly attempt: number };
}

/** What the scheduler said. */
interface Selected {
  readonly hosts: Readonly<Record<string, readonly string[]>>;
  readonly explanation: string;
}

/** How far claiming came. */
interface Claimed {
  readonly remaining: readonly string[];
  readonly rounds: number;
  /** Hosts that turned out to have no room any more: what the scheduler knows of them is old. */
  readonly full?: readonly string[];
}

/** The conductor's event of a create. */
export const SCHEDULE_EVENT = 'schedule_instances';

const remainingOf = ({ params, outputs }: TaskItem<CreateParams>): readonly string[] =>
  (outputs['claim'] as Claimed | undefined)?.remaining ?? params.instanceUuids;
const fullOf = ({ outputs }: TaskItem<CreateParams>): readonly string[] => (outputs['claim'] as Claimed | undefined)?.full ?? [];
const roundsOf = ({ outputs }: TaskItem<CreateParams>): number => (outputs['claim'] as Claimed | undefined)?.rounds ?? 0;

export const createServers = new Task<CreateParams, TaskServices>('create-servers', 1)
  .call('select', { ask: ({ item, services, signal }) => select(item, services, signal) })
  .local('claim', { run: claim })
  .unwound(async (batch, trx, context) => {
    const uuids = batch.flatMap(remainingOf);
    const waiting = stillWaiting(await lockInstances(trx, uuids));
    await fail(
      batch,
      (item) => remainingOf(item).filter((uuid) => waiting.has(uuid)),
      (item) => item.failure?.message ?? '',
      trx,
      context,
    );
  });

async function select(item: TaskItem<CreateParams>, { questions, config }: TaskServices, signal: AbortSignal): Promise<Selected> {
  const { retry } = item.params;
  const remaining = remainingOf(item);
  // Alternates of the first selection are still good guesses: the claim decides.
  if (retry !== undefined && retry.alternates.length > 0 && roundsOf(item) === 0)
    return { hosts: Object.fromEntries(remaining.map((uuid) => [uuid, retry.alternates])), explanation: '' };
  const failed = (retry?.failures ?? []).map(({ host }) => host);
  const ask = (excludedHosts: readonly string[]) =>
    questions.ask({ instanceUuids: remaining, wishes: { excludedHosts, alternates: config.alternates } }, signal);
  const elsewhere = fullOf(item).length === 0 ? undefined : await ask([...failed, ...fullOf(item)]);
  // Those may have room again, and are what the reasons of a refusal are about.
  const answer = elsewhere?.explanation === '' ? elsewhere : await ask(failed);
  if (answer === undefined) return { hosts: {}, explanation: '' };
  return {
    hosts: Object.fromEntries(answer.selections.map(({ instanceUuid, hosts }) => [instanceUuid, hosts])),
    explanation: answer.explanation,
  };
}

/** Claims for all tasks of the batch; whom the scheduler has no host for fails here, with its explanation. */
async function claim(
  batch: Batch<CreateParams>,
  trx: Transaction,
  context: StepContext<TaskServices>,
): Promise<ReadonlyMap<string, Verdict>> {
  const { config, random, publisher } = context.services;
  const instances = stillWaiting(await lockInstances(trx, batch.flatMap(remainingOf)));
  const groups = await readGroups(trx, distinct([...instances.values()].map(({ serverGroupUuid }) => serverGroupUuid)), true);
  const taskOf = new Map<string, TaskItem<CreateParams>>();
  const wanted: { instance: InstanceRow; hosts: readonly string[] }[] = [];
  const unplaceable = new Set<string>();
  for (const item of batch) {
    const { hosts } = item.outputs['select'] as Selected;
    for (const uuid of remainingOf(item)) {
      const instance = instances.get(uuid);
      if (instance === undefined) continue; // deleted meanwhile, or claimed before the connection broke
      taskOf.set(uuid, item);
      const proposed = hosts[uuid] ?? [];
      if (proposed.length === 0) unplaceable.add(uuid);
      else wanted.push({ instance, hosts: proposed });
    }
  }
  const hosts = await lockHosts(trx, distinct(wanted.flatMap(({ hosts: proposed }) => proposed)), config.defaultZone);
  const { claims, lost } = decideClaims(wanted, hosts, groups);

  const touched = await allocate(
    trx,
    claims.map(({ instance: { uuid, generation, vcpus, memoryMb, diskGb }, host: { host } }) => ({
      instanceUuid: uuid,
      host,
      generation: generation + 1,
      vcpus,
      memoryMb,
      diskGb,
    })),
  );
  await changeInstances(
    trx,
    claims.map(({ instance: { uuid }, host: { host, node } }) => ({ uuid, host, node, taskState: 'spawning' })),
  );
  await startEvents(
    trx,
    claims.flatMap(({ instance: { uuid: instanceUuid }, host: { host } }) => {
      const { requestId } = taskOf.get(instanceUuid)!;
      return [
        { instanceUuid, requestId, event: SCHEDULE_EVENT, host: null, done: true },
        { instanceUuid, requestId, event: BUILD_EVENT, host },
      ];
    }),
  );
  for (const {
    instance: { uuid, generation },
    host: { host },
    alternates,
  } of claims) {
    const { params, requestId } = taskOf.get(uuid)!;
    const build: BuildParams = {
      ...{ host, generation: generation + 1, alternates },
      ...{ attempt: (params.retry?.attempt ?? 0) + 1, failures: params.retry?.failures ?? [] },
    };
    context.follow({
      id: random.uuid(),
      kind: 'build-instance',
      instanceUuid: uuid,
      requestId,
      params: build,
      deadlineMs: config.buildDeadlineMs,
    });
  }
  if (touched.length > 0) context.afterCommit(() => publisher.hostsTouched(touched));
  const first = claims.filter(({ choice }) => choice === 0).length;
  context.afterCommit(() => context.services.claims.add({ first, alternate: claims.length - first, lost: lost.length }));

  const lostUuids = new Set(lost.map(({ uuid }) => uuid));
  const again = (item: TaskItem<CreateParams>) =>
    roundsOf(item) + 1 < config.claimRounds ? remainingOf(item).filter((uuid) => lostUuids.has(uuid)) : [];
  const gaveUp = (item: TaskItem<CreateParams>) =>
    remainingOf(item).filter((uuid) => unplaceable.has(uuid) || (lostUuids.has(uuid) && !again(item).includes(uuid)));
  await fail(
    batch,
    gaveUp,
    (item) => {
      const { explanation } = item.outputs['select'] as Selected;
      return explanation === '' ? 'Other requests were faster at claiming every host that fits.' : explanation;
    },
    trx,
    context,
  );
  return new Map(
    batch.map((item): [string, Verdict] => {
      const remaining = again(item);
      const { hosts: proposed } = item.outputs['select'] as Selected;
      const full = distinct([...fullOf(item), ...remaining.flatMap((uuid) => proposed[uuid] ?? [])]);
      const output: Claimed = { remaining, rounds: roundsOf(item) + 1, ...(remaining.length > 0 && { full }) };
      return [item.id, output.remaining.length > 0 ? { goTo: 'select', output } : { output }];
    }),
  );
}

/** Those of the batch's instances that `which` names end in ERROR, with the reason in a fault and in the event. */
async function fail(
  batch: Batch<CreateParams>,
  which: (item: TaskItem<CreateParams>) => readonly string[],
  why: (item: TaskItem<CreateParams>) => string,
  trx: Transaction,
  context: StepContext<TaskServices>,
): Promise<void> {
  const failures = batch.flatMap((item) =>
    which(item).map((instanceUuid) => ({
      instanceUuid,
      requestId: item.requestId,
      event: SCHEDULE_EVENT,
      failure: noValidHost(why(item), item.params.retry?.failures ?? []),
    })),
  );
  await startEvents(
    trx,
    failures.map((failure) => ({ ...failure, host: null })),
  );
  await failInstances(trx, failures);
  for (const { instanceUuid, failure } of failures) context.services.log.info({ instanceUuid, reason: failure.message }, 'no host found');
}

/** Only what still waits for a host: a delete needs no more than its row meanwhile. */
const stillWaiting = (instances: ReadonlyMap<string, InstanceRow>): ReadonlyMap<string, InstanceRow> =>
  new Map([...instances].filter(([, { deletedAt, host, vmState }]) => deletedAt === null && host === null && vmState === 'building'));

const distinct = (values: readonly (string | null)[]): string[] => [...new Set(values.filter((value) => value !== null))];
