import { leaveBehind } from '../cleanups.ts';
import type { OwnerKey } from '../claims.ts';
import { rowsOf } from '../rows.ts';
import { invariant, type Violation } from './invariant.ts';

/** SQL: nobody and nothing accounts for the allocation `a`. */
const UNOWNED = `
  not exists (select from instances i where i.uuid = a.instance_uuid and i.host = a.host and i.generation = a.generation)
  and not exists (select from cleanups c where c.instance_uuid = a.instance_uuid and c.host = a.host and c.generation = a.generation)
  and not exists (select from server_migrations m where m.instance_uuid = a.instance_uuid and m.open
    and ((m.source_host = a.host and m.source_generation = a.generation) or (m.dest_host = a.host and m.dest_generation = a.generation)))`;

export const allocationsHaveOwners = invariant<Violation & OwnerKey>({
  name: 'allocations_have_owners',
  holds:
    'An allocation belongs to an instance on that host at that generation, to a move from or to there, or to what must still be removed there.',
  find: (knex, { limit }) =>
    rowsOf(
      knex,
      `select a.instance_uuid as "instanceUuid", a.host, a.generation, 'allocations ' || a.instance_uuid || ' ' || a.host || ' ' || a.generation as subject,
         'the instance is ' || coalesce((select i.vm_state || ' on ' || coalesce(i.host, 'no host') || ' at generation ' || i.generation
           from instances i where i.uuid = a.instance_uuid), 'gone') as detail
       from allocations a where ${UNOWNED} order by 1, 2, 3 limit :limit`,
      { limit },
    ),
  /** The guest may still be there: the host removes it, and only then its room is free. */
  async repair(trx, { instanceUuid, host, generation }) {
    const still = await rowsOf<{ requestId: string }>(
      trx,
      `select coalesce((select request_id from instance_actions where instance_uuid = a.instance_uuid order by id desc limit 1), '') as "requestId"
       from allocations a where a.instance_uuid = :instanceUuid and a.host = :host and a.generation = :generation and ${UNOWNED} for update of a`,
      { instanceUuid, host, generation },
    );
    const reason = 'an allocation without an owner';
    await leaveBehind(
      trx,
      still.map(({ requestId }) => ({ instanceUuid, host, generation, requestId, undoes: null, reason })),
    );
    return {};
  },
});

export const ownersHaveAllocations = invariant({
  name: 'owners_have_allocations',
  holds: 'An instance on a host holds an allocation there, at its generation.',
  find: (knex, { limit }) =>
    rowsOf<Violation>(
      knex,
      `select 'instances ' || i.uuid as subject, i.vm_state || ' on ' || i.host || ' at generation ' || i.generation || ' without allocation' as detail
       from instances i where i.host is not null
         and not exists (select from allocations a where a.instance_uuid = i.uuid and a.host = i.host and a.generation = i.generation)
       order by i.uuid limit :limit`,
      { limit },
    ),
});
