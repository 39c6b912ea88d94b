import type { Knex } from 'knex';

/** The record of one request's doing on one instance. */
export interface NewAction {
  readonly instanceUuid: string;
  readonly requestId: string;
  readonly action: string;
  readonly projectId: string;
  readonly userId: string;
}

export async function addActions(trx: Knex.Transaction, actions: readonly NewAction[]): Promise<void> {
  if (actions.length === 0) return;
  await trx.raw(
    `insert into instance_actions (instance_uuid, request_id, action, project_id, user_id)
     select a."instanceUuid", a."requestId", a.action, a."projectId", a."userId"
     from jsonb_to_recordset(cast(? as jsonb)) as a ("instanceUuid" uuid, "requestId" text, action text, "projectId" text, "userId" text)
     order by a."instanceUuid" on conflict (instance_uuid, request_id) do nothing`,
    [JSON.stringify(actions)],
  );
}

/** Which of these requests have recorded an action on their instance: `UUID REQUEST_ID` for each. */
export async function findAsked(
  trx: Knex.Transaction,
  asked: readonly { readonly instanceUuid: string; readonly requestId: string }[],
): Promise<ReadonlySet<string>> {
  if (asked.length === 0) return new Set();
  const { rows } = await trx.raw(
    `select a.instance_uuid || ' ' || a.request_id as found from jsonb_to_recordset(cast(? as jsonb)) as r ("instanceUuid" uuid, "requestId" text)
     join instance_actions a on a.instance_uuid = r."instanceUuid" and a.request_id = r."requestId"`,
    [JSON.stringify(asked)],
  );
  return new Set((rows as { found: string }[]).map(({ found }) => found));
}

export interface EventStart {
  readonly instanceUuid: string;
  readonly requestId: string;
  /** As documented, like `compute__do_build_and_run_instance`. */
  readonly event: string;
  readonly host: string | null;
  /** It began and went well in the same transaction; its action goes on. */
  readonly done?: true;
}

export async function startEvents(trx: Knex.Transaction, events: readonly EventStart[]): Promise<void> {
  if (events.length === 0) return;
  await trx.raw(
    `insert into instance_action_events (action_id, event, host, finish_time, result)
     select a.id, e.event, e.host, case when e.done then kilonova_now() end, case when e.done then 'Success' end
     from jsonb_to_recordset(cast(? as jsonb)) as e ("order" integer, "instanceUuid" uuid, "requestId" text, event text, host text, done boolean)
     join instance_actions a on a.instance_uuid = e."instanceUuid" and a.request_id = e."requestId" order by a.id, e."order"`,
    [JSON.stringify(events.map((event, order) => ({ ...event, order })))],
  );
}

export interface EventEnd {
  readonly instanceUuid: string;
  readonly requestId: string;
  readonly event: string;
  /** What went wrong; null is success. */
  readonly failure: { readonly message: string; readonly details?: string } | null;
}

/** Ends the running event of that name, and says so in its action. Nothing running: nothing happens. */
export async function finishEvents(trx: Knex.Transaction, events: readonly EventEnd[]): Promise<void> {
  if (events.length === 0) return;
  await trx.raw(
    `with ended as (
       select a.id as action_id, e.event, e.failure
       from jsonb_to_recordset(cast(? as jsonb)) as e ("instanceUuid" uuid, "requestId" text, event text, failure jsonb)
       join instance_actions a on a.instance_uuid = e."instanceUuid" and a.request_id = e."requestId"),
     actions as (
       update instance_actions a set updated_at = kilonova_now(), finish_time = kilonova_now(),
         message = case when nullif(ended.failure, 'null') is null then a.message else 'Error' end
       from ended where a.id = ended.action_id)
     update instance_action_events v set finish_time = kilonova_now(),
       result = case when nullif(ended.failure, 'null') is null then 'Success' else 'Error' end,
       traceback = ended.failure ->> 'details', details = ended.failure ->> 'message'
     from ended where v.action_id = ended.action_id and v.event = ended.event and v.finish_time is null`,
    [JSON.stringify(events)],
  );
}
