/**
 * Where a move goes: the scheduler names hosts, the claim decides. The source stays claimed; the destination gets an
 * allocation of its own, under a generation that no host had before.
 */
import type { Flavor } from '@kilonova/objects';
import { finishEvents, startEvents } from '../../db/action-events.ts';
import { allocate, lockHosts, readGroups } from '../../db/claims.ts';
import type { Transaction } from '../../db/connection.ts';
import { changeInstances, type InstanceRow, lockInstances } from '../../db/instance-changes.ts';
import { readHostRequest } from '../../db/placement.ts';
import { changeMigrations } from '../../db/server-migrations.ts';
import { strayHosts } from '../../db/strays.ts';
import { decideClaims, type Wanted } from '../claim-decision.ts';
import type { StepContext, Verdict } from '../engine/definition.ts';
import { noValidHost } from '../faults.ts';
import type { TaskServices } from '../services.ts';
import { amountsOf } from './counting.ts';
import { beginning, claimOf, type DestinationClaim, type MoveBatch, type MoveItem, type MoveWords, uuidsOf } from './move.ts';

/** What the scheduler said. */
interface Selected {
  readonly hosts: readonly string[];
  readonly explanation: string;
}

export async function selectDestination(item: MoveItem, { knex, scheduler, config }: TaskServices, signal: AbortSignal): Promise<Selected> {
  const { host, flavor, wantedHost, forced, failures, chosen, attempt } = item.params;
  // What such a host has of the instance may be all that there is of it, and making ready would replace it.
  const holders = await strayHosts(knex, item.instanceUuid!);
  if (wantedHost !== null && holders.includes(wantedHost))
    return { hosts: [], explanation: `host ${wantedHost} has a domain of the instance that it was not given` };
  if (forced && wantedHost !== null) return { hosts: [wantedHost], explanation: '' };
  if (chosen !== undefined && attempt === 1 && claimOf(item) === undefined)
    return { hosts: chosen.filter((name) => !holders.includes(name)), explanation: '' };
  const request = await readHostRequest(knex, [item.instanceUuid!], {
    excludedHosts: [...(mayStay(item, config) ? [] : [host]), ...failures.map((failure) => failure.host), ...holders],
    alternates: config.alternates,
    move: { flavor, requestedHost: wantedHost },
  });
  if (request === undefined) return { hosts: [], explanation: '' };
  const answer = await scheduler.selectDestinations(request, { timeoutMs: config.selectTimeoutMs, requestId: item.requestId, signal });
  return { hosts: answer.selections[0]?.hosts ?? [], explanation: answer.explanation };
}

/** Claims for all moves of the batch. A lost race asks again; whom nobody has a host for fails with the explanation. */
export async function claimDestination(
  { events, statuses, taskStates }: MoveWords,
  batch: MoveBatch,
  trx: Transaction,
  { services, afterCommit }: StepContext<TaskServices>,
): Promise<ReadonlyMap<string, Verdict>> {
  const { config, publisher } = services;
  const instances = await lockInstances(trx, uuidsOf(batch));
  const itemOf = new Map(batch.map((item) => [item.instanceUuid!, item]));
  const groupUuids = [...instances.values()].map(({ serverGroupUuid }) => serverGroupUuid).filter((uuid) => uuid !== null);
  const groups = await readGroups(trx, [...new Set(groupUuids)], true, [...instances.keys()]);
  const wanted = batch
    .map((item) => ({ item, instance: instances.get(item.instanceUuid!) }))
    .filter((one): one is { item: MoveItem; instance: InstanceRow } => stillThere(one.item, one.instance))
    .map(({ item, instance }): Wanted => ({ instance: asWanted(item, instance), hosts: hostsOf(item, config) }));
  const hosts = await lockHosts(trx, [...new Set(wanted.flatMap((one) => one.hosts))], config.defaultZone);
  const { claims, lost } = decideClaims(
    wanted.filter((one) => one.hosts.length > 0),
    hosts,
    groups,
  );
  const claimed = claims.map(({ instance, host }) => ({
    ...{ item: itemOf.get(instance.uuid)!, instance, host: host.host, node: host.node, generation: instance.lastGeneration + 1 },
  }));
  const touched = await allocate(
    trx,
    claimed.map(({ instance: { uuid, vcpus, memoryMb, diskGb }, host, generation }) => ({
      ...{ instanceUuid: uuid, host, generation, vcpus, memoryMb, diskGb },
    })),
  );
  await changeInstances(
    trx,
    claimed.map(({ instance, generation }) => ({ uuid: instance.uuid, lastGeneration: generation, taskState: taskStates.prepare })),
  );
  await changeMigrations(
    trx,
    claimed.map(({ item, host, node, generation }) => ({
      ...{ uuid: item.params.migrationUuid, status: statuses.prepare, destHost: host, destNode: node, destGeneration: generation },
    })),
  );
  const eventOf = ({ instanceUuid, requestId }: MoveItem) => ({ instanceUuid: instanceUuid!, requestId });
  await finishEvents(
    trx,
    claimed.flatMap(({ item }) => beginning(events).map((event) => ({ ...eventOf(item), event, failure: null }))),
  );
  await startEvents(
    trx,
    claimed.flatMap(({ item, host }) => [
      ...(events.checks === undefined
        ? []
        : [
            { ...eventOf(item), event: events.checks.destination, host, done: true as const },
            { ...eventOf(item), event: events.checks.source, host: item.params.host, done: true as const },
          ]),
      { ...eventOf(item), event: events.prepare, host },
    ]),
  );
  if (touched.length > 0) afterCommit(() => publisher.hostsTouched(touched));

  const lostUuids = new Set(lost.map(({ uuid }) => uuid));
  const destinations = new Map(claimed.map(({ item, host, node, generation }) => [item.id, { host, node, generation }]));
  return new Map(
    batch.map((item): [string, Verdict] => {
      const rounds = (claimOf(item)?.rounds ?? 0) + 1;
      const destination = destinations.get(item.id);
      if (destination !== undefined) return [item.id, { output: { rounds, destination } satisfies DestinationClaim }];
      const again = lostUuids.has(item.instanceUuid!) && rounds < config.claimRounds && !item.params.forced;
      if (again) return [item.id, { goTo: 'select', output: { rounds } satisfies DestinationClaim }];
      return [item.id, { failed: whyNone(item, lostUuids.has(item.instanceUuid!)) }];
    }),
  );
}

const selectedOf = ({ outputs }: MoveItem) => outputs['select'] as Selected;

const mayStay = ({ params }: MoveItem, { allowResizeToSameHost }: TaskServices['config']): boolean =>
  allowResizeToSameHost && params.flavor !== null;

/** Never the source, whatever a scheduler says, unless a resize may stay. */
const hostsOf = (item: MoveItem, config: TaskServices['config']): readonly string[] =>
  selectedOf(item).hosts.filter((host) => host !== item.params.host || mayStay(item, config));

const stillThere = ({ params }: MoveItem, instance: InstanceRow | undefined): boolean =>
  instance !== undefined && instance.deletedAt === null && instance.host === params.host && instance.generation === params.generation;

/** What it was made for does not hold it where it is. */
function asWanted({ params }: MoveItem, instance: InstanceRow): InstanceRow {
  const flavor: Flavor = params.flavor ?? instance.flavor;
  return { ...instance, ...amountsOf(flavor), forcedHost: params.forced ? params.wantedHost : null };
}

function whyNone(item: MoveItem, raced: boolean) {
  const { explanation } = selectedOf(item);
  if (raced && item.params.forced) return noValidHost(`Host ${item.params.wantedHost} has no room for the server.`, []);
  const why = raced ? 'Other requests were faster at claiming every host that fits.' : explanation;
  return noValidHost(why === '' ? 'The server changed meanwhile.' : why, item.params.failures);
}
