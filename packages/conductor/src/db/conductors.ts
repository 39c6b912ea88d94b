import type { Knex } from 'knex';

/** This process as the owner of tasks. */
export interface Ownership {
  readonly id: string;
  readonly epoch: number;
}

/** Enters a conductor; its ownership holds until `release`, or until others `fence` it after its lease ran out. */
export async function enter(knex: Knex, conductor: { id: string; host: string; leaseMs: number }): Promise<Ownership> {
  const { rows } = await knex.raw(
    `insert into conductors (id, host, lease_until) values (?, ?, kilonova_now() + ? * interval '1 millisecond') returning id, epoch`,
    [conductor.id, conductor.host, conductor.leaseMs],
  );
  return rows[0] as Ownership;
}

/** @returns false when the lease is lost: every task may have another owner. */
export async function renew(knex: Knex, owner: Ownership, leaseMs: number): Promise<boolean> {
  const { rowCount } = await knex.raw(
    `update conductors set lease_until = kilonova_now() + ? * interval '1 millisecond' where id = ? and epoch = ?`,
    [leaseMs, owner.id, owner.epoch],
  );
  return rowCount === 1;
}

/** Ends the ownership of all whose lease ran out. Waits for their transactions under way, and none can begin after it. */
export async function fenceExpired(knex: Knex): Promise<readonly Ownership[]> {
  const { rows } = await knex.raw(
    `delete from conductors where (id, epoch) in
       (select id, epoch from conductors where lease_until <= kilonova_now() order by id, epoch for update skip locked)
       and lease_until <= kilonova_now()
     returning id, epoch`,
  );
  return rows as Ownership[];
}

export async function leave(knex: Knex, owner: Ownership): Promise<void> {
  await knex.raw('delete from conductors where id = ? and epoch = ?', [owner.id, owner.epoch]);
}
