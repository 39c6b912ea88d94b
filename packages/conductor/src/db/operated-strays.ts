import type { Knex } from 'knex';
import type { DatabaseConfig } from '../config.ts';
import { type Database, openDatabase } from './connection.ts';
import { isUuid, rowsOf } from './rows.ts';
import type { Standing } from './strays.ts';

/** A domain that a host shows and was not given, as an operator looks at it. */
export interface KnownStray {
  readonly host: string;
  readonly uuid: string;
  readonly generation: number;
  /** As the API has it: 1 is running. */
  readonly powerState: number;
  readonly standing: Standing;
  /** ISO 8601, UTC. */
  readonly firstSeenAt: string;
}

const COLUMNS = `host, instance_uuid as uuid, generation, power_state as "powerState", standing, first_seen_at as "firstSeenAt"`;

/** By host and uuid, as many as `limit`; for `kilonova strays`. */
export const listStrays = (config: DatabaseConfig, limit: number): Promise<readonly KnownStray[]> =>
  onDatabase(config, (knex) =>
    rowsOf<KnownStray>(knex, `select ${COLUMNS} from strays order by host, instance_uuid, generation limit :limit`, { limit }),
  );

/** What a host shows of an instance, what it showed last first. Rounds alone do not say that: they are forgotten when it registers. */
export const listStraysOf = (knex: Knex, host: string, uuid: string): Promise<readonly KnownStray[]> =>
  rowsOf<KnownStray>(
    knex,
    `select ${COLUMNS} from strays where host = :host and instance_uuid = :uuid order by seen_at desc, round desc, generation desc`,
    {
      host,
      uuid,
    },
  );

/**
 * What an operator gives up: the host is told to remove these domains, in the generations that it showed, until it has. For
 * `kilonova strays release`.
 *
 * @returns those that the host shows, of the ones that were named
 */
export const releaseStrays = (
  config: DatabaseConfig,
  { host, uuids, requestId }: { readonly host: string; readonly uuids: readonly string[]; readonly requestId: string },
): Promise<readonly KnownStray[]> =>
  onDatabase(config, (knex) =>
    rowsOf<KnownStray>(
      knex,
      `with chosen as (
         select * from strays s where host = :host and instance_uuid = any (cast(:uuids as uuid[]))
           and not exists (select from instances i where (i.uuid, i.host, i.generation) = (s.instance_uuid, s.host, s.generation))),
       released as (
         insert into cleanups (host, instance_uuid, generation, request_id, reason)
         select host, instance_uuid, generation, :requestId, 'an operator released it' from chosen order by 1, 2, 3
         on conflict do nothing)
       select ${COLUMNS} from chosen order by instance_uuid, generation`,
      { host, requestId, uuids: uuids.filter(isUuid) },
    ),
  );

/** A pool of one, for as long as `ask` takes. */
export async function onDatabase<T>(config: DatabaseConfig, ask: (knex: Database) => Promise<T>): Promise<T> {
  const knex = openDatabase({ ...config, poolMax: 1 });
  try {
    return await ask(knex);
  } finally {
    await knex.destroy();
  }
}
