import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';

/** A version that was seen of the control plane's own services of one binary. */
export interface SeenVersion {
  readonly binary: string;
  readonly version: string;
  /** Since its last sign of life, by the database's clock. */
  readonly ageMs: number;
}

/** Of the services of the control plane that show signs of life. Those of an operator's forced-down ones count as well: they may still listen. */
export const liveVersions = (knex: Knex, serviceDownMs: number): Promise<SeenVersion[]> =>
  rowsOf<SeenVersion>(
    knex,
    `select "binary", version, min(extract(epoch from kilonova_now() - last_seen_at) * 1000)::double precision as "ageMs"
     from services where "binary" <> 'nova-compute'
       and last_seen_at > kilonova_now() - cast(:serviceDownMs as double precision) * interval '1 millisecond'
     group by "binary", version`,
    { serviceDownMs },
  );

/** Compute hosts whose agents speak another version, whether or not they are up: that is what they will speak when they return. */
export const hostsOfOtherVersions = (knex: Knex, version: string): Promise<{ host: string; version: string }[]> =>
  rowsOf<{ host: string; version: string }>(
    knex,
    `select host, version from services where "binary" = 'nova-compute' and version <> :version`,
    { version },
  );
