import { powerState } from '@kilonova/objects';
import type { Knex } from 'knex';
import type { DatabaseConfig } from '../config.ts';
import { allocate, lockHosts, moveHosts, release } from './claims.ts';
import { isCleanup } from './cleanups.ts';
import { changeInstances, lockInstances } from './instance-changes.ts';
import { type KnownStray, listStraysOf, onDatabase } from './operated-strays.ts';
import { brokenCheckOf } from './refusals.ts';
import { isUuid } from './rows.ts';
import { openMigration } from './server-migrations.ts';
import { liveOf } from './tasks.ts';

/** What became of one that was named; `refused` says why nothing was changed. */
export type Adoption = { readonly uuid: string; readonly adopted: KnownStray } | { readonly uuid: string; readonly refused: string };

/** Thrown within the transaction, so that nothing of it stays. */
class Refused extends Error {}

/**
 * An operator says that these instances are where a host shows them: it is their owner from now on, in the generation that it shows. What
 * another host may have of them is not removed: where it is shown, it is a stray. For `kilonova strays adopt`.
 */
export const adoptStrays = (
  config: DatabaseConfig,
  { host, uuids }: { readonly host: string; readonly uuids: readonly string[] },
): Promise<readonly Adoption[]> =>
  onDatabase(config, async (knex) => {
    const adoptions: Adoption[] = [];
    for (const uuid of uuids)
      try {
        adoptions.push({ uuid, adopted: await knex.transaction((trx) => adopt(trx, host, uuid)) });
      } catch (error) {
        adoptions.push({ uuid, refused: reasonOf(error, host) });
      }
    return adoptions;
  });

/** @throws the error itself when it is none */
function reasonOf(error: unknown, host: string): string {
  if (error instanceof Refused) return error.message;
  const check = brokenCheckOf(error);
  if (check === null) throw error;
  return `host ${host} has no room for it (${check})`;
}

async function adopt(trx: Knex.Transaction, host: string, uuid: string): Promise<KnownStray> {
  if (!isUuid(uuid)) throw new Refused('expected a UUID');
  const instance = (await lockInstances(trx, [uuid])).get(uuid);
  const [stray] = await listStraysOf(trx, host, uuid);
  if (stray === undefined) throw new Refused(`host ${host} shows no such stray`);
  if (instance === undefined) throw new Refused('the database does not know this instance');
  if (instance.deletedAt !== null) throw new Refused('the instance is deleted');
  // With the instance locked nobody gives it one.
  if ((await liveOf(trx, [uuid])).has(uuid)) throw new Refused('a task is at work on it: try again when that is done');
  if ((await openMigration(trx, uuid)) !== undefined) throw new Refused('a move of it is open: confirm, revert or abort that first');
  if (await isCleanup(trx, { instanceUuid: uuid, host, generation: stray.generation }))
    throw new Refused('it was released: the host is told to remove it');
  const hosts = await lockHosts(trx, [host, ...(instance.host === null ? [] : [instance.host])], '');
  const { vcpus, memoryMb, diskGb } = instance;
  if (instance.host !== null) await release(trx, [{ instanceUuid: uuid, host: instance.host, generation: instance.generation }]);
  await allocate(trx, [{ instanceUuid: uuid, host, generation: stray.generation, vcpus, memoryMb, diskGb }]);
  await moveHosts(trx, [{ host, ioOps: -1 }]); // nothing is built
  const running = stray.powerState === powerState.running;
  await changeInstances(trx, [
    {
      ...{ uuid, host, node: hosts.get(host)!.node, generation: stray.generation, taskState: null, launched: true },
      ...{ vmState: running ? 'active' : 'stopped', powerState: running ? powerState.running : powerState.shutdown },
    },
  ]);
  await trx.raw('delete from strays where host = ? and instance_uuid = ?', [host, uuid]);
  return stray;
}
