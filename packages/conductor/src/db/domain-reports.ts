import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';
import { completeUnseenEvacuations } from './server-migrations.ts';
import { forgetStrays, type Sighting } from './strays.ts';

/** Keeps what a piece of a round named, until the round's last piece. Of a host only one round is kept, in so many pieces. */
export async function keepSightings(
  knex: Knex,
  { host, round, piece, most }: { readonly host: string; readonly round: number; readonly piece: string; readonly most: number },
  domains: readonly Sighting[],
): Promise<void> {
  await knex.raw(
    `with former as (delete from domain_sightings where host = :host and round < :round)
     insert into domain_sightings (host, round, piece, instance_uuids)
     select :host, :round, cast(:piece as uuid), coalesce(array_agg(d.uuid), '{}') from jsonb_to_recordset(cast(:domains as jsonb)) as d (uuid uuid)
     having (select count(*) from domain_sightings where host = :host and round >= :round) < cast(:most as integer)`,
    { host, round, piece, most, domains: JSON.stringify(domains) },
  );
}

/**
 * Ends a round, once: compares what was seen with the instances that the database gives the host, and corrects those that
 * differ in so many rounds in a row. Only settled instances are judged; one in a task knows better.
 *
 * @returns the instances that follow their domain from now on: those found stopped, and those found running.
 */
export async function endRound(
  trx: Knex.Transaction,
  found: {
    readonly host: string;
    readonly round: number;
    readonly domains: readonly Sighting[];
    readonly rounds: number;
    readonly sync: boolean;
  },
): Promise<{ readonly stopped: readonly string[]; readonly started: readonly string[] }> {
  const { host, round, domains, rounds: needed, sync } = found;
  const [fresh] = await rowsOf<{ up: boolean }>(
    trx,
    'update hosts set domains_round = :round where host = :host and domains_round < :round returning up',
    { host, round },
  );
  if (fresh === undefined) return { stopped: [], started: [] };
  if (!fresh.up) await completeUnseenEvacuations(trx, host);
  // Others lock instances before hosts, and this has its host already: what somebody changes at the moment is left to the next round.
  // The last piece's domains carry their power; of earlier pieces only that they are there is known here.
  const { rows } = await trx.raw(
    `with seen as materialized (
       select d.uuid, d.power from jsonb_to_recordset(cast(:domains as jsonb)) as d (uuid uuid, power integer)
       union all
       select u, null from domain_sightings s, unnest(s.instance_uuids) u where s.host = :host and s.round = :round),
     judged as materialized (
       select i.uuid, coalesce(seen.power, case when seen.uuid is null then 4 else i.power_state end) as power, i.vm_state, i.power_state, i.missed_rounds,
         case when not :sync then null
           when i.vm_state = 'active' and (seen.uuid is null or seen.power in (4, 6)) then 'stopped'
           when i.vm_state = 'stopped' and seen.power = 1 then 'active' end as other
       from instances i left join seen on seen.uuid = i.uuid
       where i.host = :host and i.deleted_at is null and i.task_state is null and i.vm_state in ('active', 'stopped')
         and not exists (select from tasks t where t.instance_uuid = i.uuid and t.state in ('running', 'parked', 'unwinding'))),
     differing as materialized (
       select i.uuid, j.power, j.other, j.other is not null and j.missed_rounds + 1 < :needed as waits
       from instances i join judged j using (uuid)
       where j.other is not null or j.missed_rounds <> 0 or j.power <> j.power_state
       order by i.uuid for update of i skip locked)
     update instances i set
       missed_rounds = case when d.waits then i.missed_rounds + 1 else 0 end,
       vm_state = case when d.waits then i.vm_state else coalesce(d.other, i.vm_state) end,
       power_state = case when d.waits then i.power_state else d.power end,
       revision = i.revision + 1,
       updated_at = case when not d.waits and (d.other is not null or i.power_state <> d.power) then kilonova_now() else i.updated_at end
     from differing d where i.uuid = d.uuid and i.task_state is null
     returning i.uuid, case when not d.waits then d.other end as followed`,
    { host, round, needed, sync, domains: JSON.stringify(domains) },
  );
  await trx.raw('delete from domain_sightings where host = :host and round <= :round', { host, round });
  await forgetStrays(trx, host, round);
  const followed = (state: string) =>
    (rows as { uuid: string; followed: string | null }[]).filter((row) => row.followed === state).map(({ uuid }) => uuid);
  return { stopped: followed('stopped'), started: followed('active') };
}
