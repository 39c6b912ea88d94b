import { addFaults, changeInstances, lockInstances } from '../instance-changes.ts';
import { rowsOf } from '../rows.ts';
import { invariant, type Violation } from './invariant.ts';

const LIVE = `('running', 'parked', 'unwinding')`;

export const tasksEnd = invariant({
  name: 'tasks_end',
  holds: 'Every task ends by its deadline.',
  find: (knex, { limit, overdueMs }) =>
    rowsOf<Violation>(
      knex,
      `select 'tasks ' || id as subject, kind || ' ' || state || ' at step ' || step || coalesce(' of instance ' || instance_uuid, '')
           || ', due at ' || deadline_at as detail
       from tasks where state in ${LIVE} and deadline_at < kilonova_now() - cast(:overdueMs as double precision) * interval '1 millisecond'
       order by id limit :limit`,
      { limit, overdueMs },
    ),
});

interface Abandoned extends Violation {
  readonly uuid: string;
}

/** SQL: somebody works on the instance `i`, alone or as one of a request. */
const WORKED_ON = `(exists (select from tasks t where t.instance_uuid = i.uuid and t.state in ${LIVE})
  or exists (select from tasks t where t.instance_uuid is null and t.state in ${LIVE}
    and jsonb_exists(t.params -> 'instanceUuids', cast(i.uuid as text))))`;

export const tasksAreAtWork = invariant<Abandoned>({
  name: 'tasks_are_at_work',
  holds: 'An instance that shows the state of a task has one.',
  find: (knex, { limit }) =>
    rowsOf(
      knex,
      `select i.uuid, 'instances ' || i.uuid as subject, i.vm_state || ', ' || i.task_state || ', and nobody works on it' as detail
       from instances i where i.deleted_at is null and i.task_state is not null and not ${WORKED_ON}
       order by i.uuid limit :limit`,
      { limit },
    ),
  /** Nobody will finish it: it shows what it is, and one that was never built is in ERROR. */
  async repair(trx, { uuid }) {
    const instance = (await lockInstances(trx, [uuid])).get(uuid);
    const still = await rowsOf(
      trx,
      `select 1 from instances i where i.uuid = :uuid and i.deleted_at is null and i.task_state is not null and not ${WORKED_ON}`,
      {
        uuid,
      },
    );
    if (instance === undefined || still.length === 0) return {};
    const unbuilt = instance.vmState === 'building';
    await changeInstances(trx, [{ uuid, taskState: null, ...(unbuilt && { vmState: 'error', powerState: 0 }) }]);
    const message = `The work on the instance (${instance.taskState}) was lost.`;
    if (unbuilt) await addFaults(trx, [{ instanceUuid: uuid, code: 500, message, details: '' }]);
    return {};
  },
});
