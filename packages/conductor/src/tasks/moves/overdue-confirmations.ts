import { ActOnServer, Scope, serverActions, type VmState } from '@kilonova/objects';
import { lockInstances } from '../../db/instance-changes.ts';
import { openMigration, overdueConfirmations } from '../../db/server-migrations.ts';
import * as tasks from '../../db/tasks.ts';
import { isLockedOut, isUnavailable } from '../../db/unavailable.ts';
import type { Services } from '../../services.ts';
import { confirmResize } from './accept-ending.ts';

/** Whose state was reset counts as well. One in ERROR may need what its source keeps. */
const CONFIRMED_BY_ITSELF: readonly VmState[] = ['resized', 'active', 'stopped'];

/**
 * Confirms what waited for longer than `resize_confirm_window_s`. Any conductor may: a server that does not wait any more is left
 * alone. One that cannot be confirmed is tried again with the next look, and keeps no other from it.
 *
 * @throws the database's error when it could not be asked
 */
export async function confirmOverdue(services: Services): Promise<void> {
  const { knex, log, config } = services;
  const { resizeConfirmWindowS: windowS, resizeConfirmBatch } = config.conductor;
  const seen: string[] = [];
  for (let left = resizeConfirmBatch; left > 0;) {
    const limit = left;
    const overdue = await overdueConfirmations(knex, { vmStates: CONFIRMED_BY_ITSELF, windowS, limit, except: seen });
    for (const uuid of overdue) {
      try {
        await confirmOne(services, uuid);
        left -= 1;
      } catch (error) {
        if (isUnavailable(error) && !isLockedOut(error)) throw error;
        log.warn({ instanceUuid: uuid, error: String(error) }, 'resize not confirmed');
      }
    }
    if (overdue.length < limit) return;
    seen.push(...overdue);
  }
}

async function confirmOne(services: Services, uuid: string): Promise<void> {
  const { knex, random, log } = services;
  await knex.transaction(async (trx) => {
    const live = (await tasks.lockOfInstances(trx, [uuid])).get(uuid);
    const instance = (await lockInstances(trx, [uuid])).get(uuid);
    if (
      live !== undefined ||
      instance === undefined ||
      !CONFIRMED_BY_ITSELF.includes(instance.vmState) ||
      instance.taskState !== null ||
      (await openMigration(trx, uuid))?.status !== 'finished' ||
      (await tasks.liveOf(trx, [uuid])).has(uuid)
    )
      return;
    const { projectId, userId } = instance;
    const scope = Object.assign(new Scope(), { projectId, userId, admin: true, allProjects: true, requestId: `req-${random.uuid()}` });
    const request = Object.assign(new ActOnServer(), { scope, uuid, action: 'confirmResize', options: {} });
    await confirmResize({ services, trx, request, instance, live, rule: serverActions.confirmResize });
    log.info({ instanceUuid: uuid }, 'resize confirmed by itself');
  });
}
