import type { TransferProgress } from '@kilonova/objects';
import type { Knex } from 'knex';

/** What a host says of a guest that it sends. */
export interface ProgressNews {
  readonly host: string;
  readonly instanceUuid: string;
  readonly generation: number;
  readonly number: number;
  readonly progress: TransferProgress;
}

/** SQL: a whole number of bytes of what a host said, whatever it said; null stays null. */
export const bytesOf = (text: string): string =>
  `case when ${text} is not null then least(greatest(cast(${text} as numeric), 0), ${Number.MAX_SAFE_INTEGER})::bigint end`;
const bytes = (field: string) => `coalesce(${bytesOf(`r.progress ->> '${field}'`)}, 0)`;

/** SQL: percent of the memory that is over there. */
const PERCENT = `case when n.total > 0 then greatest(0, least(100, round(100.0 - 100.0 * n.remaining / n.total)))::integer else 0 end`;

/**
 * Writes how far running live migrations are, all in one statement. It counts only from the owner at that generation, and
 * only when it is newer. Rows that a transaction holds are passed over: whatever it does, the next report comes.
 */
export async function noteProgress(knex: Knex, news: readonly ProgressNews[]): Promise<void> {
  if (news.length === 0) return;
  await knex.raw(
    `with n as materialized (
       select m.uuid as migration, i.uuid as instance, r.number, ${bytes('memoryTotalBytes')} as total, ${bytes('memoryProcessedBytes')} as processed,
         ${bytes('memoryRemainingBytes')} as remaining, ${bytes('diskTotalBytes')} as disk_total, ${bytes('diskProcessedBytes')} as disk_processed,
         ${bytes('diskRemainingBytes')} as disk_remaining
       from jsonb_to_recordset(cast(:news as jsonb)) as r (host text, "instanceUuid" uuid, generation integer, number bigint, progress jsonb)
       join instances i on i.uuid = r."instanceUuid" and i.host = r.host and i.generation = r.generation and i.deleted_at is null
       join server_migrations m on m.instance_uuid = i.uuid and m.type = 'live-migration' and m.status = 'running' and m.progress_number < r.number
       order by i.uuid for update of i, m skip locked),
     told as (
       update server_migrations m set progress_number = n.number, memory_total_bytes = n.total, memory_processed_bytes = n.processed,
         memory_remaining_bytes = n.remaining, disk_total_bytes = n.disk_total, disk_processed_bytes = n.disk_processed,
         disk_remaining_bytes = n.disk_remaining, updated_at = kilonova_now()
       from n where m.uuid = n.migration)
     update instances i set progress = ${PERCENT}, revision = i.revision + 1, updated_at = kilonova_now() from n where i.uuid = n.instance`,
    { news: JSON.stringify(news) },
  );
}
