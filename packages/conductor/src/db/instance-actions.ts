import { failure, ServerAction, ServerActionEvent, type ListServerActions } from '@kilonova/objects';
import type { Knex } from 'knex';
import { isoText, isUuid, rowsOf } from './rows.ts';

const FIELDS = `
  a.action, a.instance_uuid as "serverUuid", a.request_id as "requestId", a.project_id as "projectId", a.user_id as "userId",
  a.start_time as "startTime", a.updated_at as "updatedAt", a.message`;
const EVENTS = `coalesce((
  select jsonb_agg(jsonb_build_object('event', e.event, 'startTime', ${isoText('e.start_time')}, 'finishTime', ${isoText('e.finish_time')},
    'result', e.result, 'traceback', e.traceback, 'host', e.host, 'details', e.details) order by e.id desc)
  from instance_action_events e where e.action_id = a.id), '[]')`;

interface Row {
  readonly events: readonly object[];
}

const asAction = (row: Row): ServerAction =>
  Object.assign(new ServerAction(), row, { events: row.events.map((event) => Object.assign(new ServerActionEvent(), event)) });

/** Newest first, behind the marker (a request id); without events. @throws MarkerNotFound */
export async function actionPage(knex: Knex, request: ListServerActions, limit: number): Promise<ServerAction[]> {
  const { uuid, marker, changesSince, changesBefore } = request;
  if (marker !== null) {
    const found = await rowsOf(knex, 'select 1 from instance_actions where instance_uuid = :uuid and request_id = :marker', {
      uuid,
      marker,
    });
    if (found.length === 0) throw failure('MarkerNotFound', `marker [${marker}] not found`);
  }
  const conditions = [
    'a.instance_uuid = :uuid',
    ...(changesSince === null ? [] : ['a.updated_at >= cast(:changesSince as timestamptz)']),
    ...(changesBefore === null ? [] : ['a.updated_at <= cast(:changesBefore as timestamptz)']),
    ...(marker === null
      ? []
      : ['(a.start_time, a.id) < (select start_time, id from instance_actions where instance_uuid = :uuid and request_id = :marker)']),
  ];
  const rows = await rowsOf<Row>(
    knex,
    `select ${FIELDS}, '[]'::jsonb as events from instance_actions a where ${conditions.join(' and ')}
     order by a.start_time desc, a.id desc limit :limit`,
    { uuid, marker, changesSince, changesBefore, limit },
  );
  return rows.map(asAction);
}

/** With its events, the newest first. @throws ActionNotFound */
export async function findAction(knex: Knex, uuid: string, requestId: string): Promise<ServerAction> {
  const rows = isUuid(uuid)
    ? await rowsOf<Row>(
        knex,
        `select ${FIELDS}, ${EVENTS} as events from instance_actions a where a.instance_uuid = :uuid and a.request_id = :requestId`,
        { uuid, requestId },
      )
    : [];
  if (rows[0] === undefined) throw failure('ActionNotFound', `Action ${requestId} not found`);
  return asAction(rows[0]);
}

/** Whether the scope sees the server, deleted or not: what was asked of it outlives it. */
export async function serverWasSeen(
  knex: Knex,
  scope: { readonly allProjects: boolean; readonly projectId: string },
  uuid: string,
): Promise<boolean> {
  if (!isUuid(uuid)) return false;
  const { allProjects, projectId } = scope;
  const found = await rowsOf(
    knex,
    'select 1 from instances where uuid = :uuid and (cast(:allProjects as boolean) or project_id = :projectId)',
    { uuid, allProjects, projectId },
  );
  return found.length > 0;
}
