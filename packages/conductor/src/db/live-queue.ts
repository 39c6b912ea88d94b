import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';

/** A live migration that has no place yet. */
export interface QueuedMigration {
  readonly id: number;
  readonly uuid: string;
  readonly host: string;
  readonly status: 'accepted' | 'queued';
}

/** What leaves hosts at the moment, and what wants to. */
export interface LiveQueues {
  /** Places that are taken, by source host. */
  readonly taken: ReadonlyMap<string, number>;
  /** Queued, and those asked for; in the order of their making. */
  readonly waiting: readonly QueuedMigration[];
}

/**
 * The queues of source hosts, of which nobody else gives a place until the transaction ends.
 *
 * @param asking migrations that may not be queued yet
 */
export async function lockLiveQueues(trx: Knex.Transaction, hosts: readonly string[], asking: readonly string[]): Promise<LiveQueues> {
  await trx.raw('select 1 from hosts where host = any(cast(? as text[])) order by host for no key update', [[...hosts]]);
  // A destination that fell silent may be asked for days: its migration holds no place.
  const taken = await rowsOf<{ host: string; count: number }>(
    trx,
    `select source_host as host, count(*)::integer as count from server_migrations m
     where source_host = any(cast(:hosts as text[])) and type = 'live-migration' and status in ('preparing', 'running', 'post-migrating')
       and not exists (select from tasks t where t.instance_uuid = m.instance_uuid and t.state = 'parked' and t.kind = :settling)
     group by source_host`,
    { hosts: [...hosts], settling: 'settle-live-move' },
  );
  const waiting = await rowsOf<QueuedMigration>(
    trx,
    `select id, uuid, source_host as host, status from server_migrations where status = 'queued' and source_host = any(cast(:hosts as text[]))
     union select id, uuid, source_host, status from server_migrations where uuid = any(cast(:asking as uuid[])) and status in ('accepted', 'queued')
     order by id`,
    { hosts: [...hosts], asking: [...asking] },
  );
  return { taken: new Map(taken.map(({ host, count }) => [host, count])), waiting };
}

/** The tasks of the first queued migrations of these hosts are due now. */
export async function wakeLiveQueues(knex: Knex, hosts: readonly string[], places: number): Promise<void> {
  if (hosts.length === 0) return;
  await knex.raw(
    `update tasks set wake_at = kilonova_now() where id in (
       select t.id from unnest(cast(:hosts as text[])) h (host)
       cross join lateral (select instance_uuid from server_migrations where status = 'queued' and source_host = h.host order by id limit :places) q
       join tasks t on t.instance_uuid = q.instance_uuid and t.kind = 'queue-live-move' and t.state = 'running'
       order by t.id for update of t)`,
    { hosts: [...new Set(hosts)], places },
  );
}
