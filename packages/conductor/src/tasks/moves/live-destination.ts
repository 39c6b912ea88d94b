/** Whether there is a destination for a live migration that is not accepted yet. What comes after may decide otherwise. */
import { type ActOnServer, failure } from '@kilonova/objects';
import { RpcError, ServiceError } from '@kilonova/rpc';
import { lockHosts, readGroups } from '../../db/claims.ts';
import { readHostRequest } from '../../db/placement.ts';
import type { Services } from '../../services.ts';
import type { Begun } from '../acceptance.ts';
import { decideClaims } from '../claim-decision.ts';
import { noValidHost } from '../faults.ts';
import { amountsOf } from './counting.ts';

/** Asks the scheduler. @returns the hosts that it names, none when the server is gone. @throws MigrationInvalid, Overloaded */
export async function chooseHosts({ knex, scheduler, config }: Services, request: ActOnServer, source: string): Promise<readonly string[]> {
  const { uuid, options, scope } = request;
  const wanted = await readHostRequest(knex, [uuid], {
    ...{ excludedHosts: [source], alternates: config.conductor.alternates },
    move: { flavor: null, requestedHost: options['host'] ?? null },
  });
  if (wanted === undefined) return [];
  const answer = await scheduler
    .selectDestinations(wanted, { timeoutMs: config.conductor.selectTimeoutMs, requestId: scope.requestId })
    .catch((error: unknown) => {
      if (!(error instanceof RpcError) || error instanceof ServiceError) throw error;
      throw failure('Overloaded', 'No scheduler answers at the moment.');
    });
  const hosts = answer.selections[0]?.hosts ?? [];
  if (hosts.length === 0) throw failure('MigrationInvalid', noValidHost(answer.explanation, []).message);
  return hosts;
}

/** A host that is forced has room, or it is refused. @throws MigrationInvalid */
export async function refuseWithoutRoom({ trx, request, instance, services }: Begun): Promise<void> {
  const host = request.options['host'];
  if (host === undefined || host === null) return;
  const groups = await readGroups(trx, instance.serverGroupUuid === null ? [] : [instance.serverGroupUuid], true, [instance.uuid]);
  const hosts = await lockHosts(trx, [host], services.config.conductor.defaultZone);
  const wanted = { instance: { ...instance, ...amountsOf(instance.flavor), forcedHost: host }, hosts: [host] };
  if (decideClaims([wanted], hosts, groups).claims.length > 0) return;
  const available = hosts.get(host)?.freeMemoryMb ?? 0;
  const why =
    available < instance.memoryMb
      ? `Lack of memory(host:${available} <= instance:${instance.memoryMb})`
      : 'the host has no room for it, or its server group does not allow it';
  throw failure('MigrationInvalid', `Migration pre-check error: Unable to migrate ${instance.uuid} to ${host}: ${why}`);
}
