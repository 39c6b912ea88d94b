import { ActOnServer, Scope, serverActions } from '@kilonova/objects';
import { lockInstances } from '../../db/instance-changes.ts';
import { overdueConfirmations } from '../../db/server-migrations.ts';
import * as tasks from '../../db/tasks.ts';
import type { Services } from '../../services.ts';
import { confirmResize } from './accept-ending.ts';

/** Confirms what waited for longer than `resize_confirm_window_s`. Any conductor may: a server that is not resized any more is left alone. */
export async function confirmOverdue(services: Services): Promise<void> {
  const { knex, random, log, config } = services;
  const { resizeConfirmWindowS, resizeConfirmBatch } = config.conductor;
  for (const uuid of await overdueConfirmations(knex, resizeConfirmWindowS, resizeConfirmBatch)) {
    await knex.transaction(async (trx) => {
      const live = (await tasks.lockOfInstances(trx, [uuid])).get(uuid);
      const instance = (await lockInstances(trx, [uuid])).get(uuid);
      if (
        live !== undefined ||
        instance?.vmState !== 'resized' ||
        instance.taskState !== null ||
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
}
