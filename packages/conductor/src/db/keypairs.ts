import { failure, Keypair } from '@kilonova/objects';
import type { Knex } from 'knex';
import { doubleOf } from './refusals.ts';
import { changedBy, rowsOf } from './rows.ts';

const COLUMNS = `id, user_id as "userId", name, type, public_key as "publicKey", fingerprint, created_at as "createdAt"`;
const asKeypair = (row: object): Keypair => Object.assign(new Keypair(), row);
const notFound = (userId: string, name: string) => failure('KeypairNotFound', `Keypair ${name} not found for user ${userId}`);

/** @throws KeypairNotFound */
export async function findKeypair(knex: Knex, userId: string, name: string): Promise<Keypair> {
  const rows = await rowsOf<object>(knex, `select ${COLUMNS} from keypairs where user_id = :userId and name = :name`, { userId, name });
  if (rows[0] === undefined) throw notFound(userId, name);
  return asKeypair(rows[0]);
}

/** By name, behind the marker. @throws MarkerNotFound */
export async function keypairPage(knex: Knex, userId: string, marker: string | null, limit: number): Promise<Keypair[]> {
  if (marker !== null) {
    const found = await rowsOf(knex, 'select 1 from keypairs where user_id = :userId and name = :marker', { userId, marker });
    if (found.length === 0) throw failure('MarkerNotFound', `marker [${marker}] not found`);
  }
  const rows = await rowsOf<object>(
    knex,
    `select ${COLUMNS} from keypairs where user_id = :userId and (cast(:marker as text) is null or name > :marker) order by name limit :limit`,
    { userId, marker, limit },
  );
  return rows.map(asKeypair);
}

/**
 * Adds a key pair unless the user has `most` (-1: any number) already. A user's key pairs are added one after the other.
 *
 * @throws QuotaExceeded, KeypairExists
 */
export async function insertKeypair(
  trx: Knex.Transaction,
  keypair: Pick<Keypair, 'userId' | 'name' | 'type' | 'publicKey' | 'fingerprint'>,
  most: number,
): Promise<Keypair> {
  await trx.raw(`select pg_advisory_xact_lock(hashtext('keypairs'), hashtext(:userId))`, { userId: keypair.userId });
  const counted = await rowsOf<{ count: number }>(trx, 'select count(*) as count from keypairs where user_id = :userId', {
    userId: keypair.userId,
  });
  if (most >= 0 && counted[0]!.count >= most) throw failure('QuotaExceeded', 'Quota exceeded, too many key pairs.');
  try {
    const rows = await rowsOf<object>(
      trx,
      `insert into keypairs (user_id, name, type, public_key, fingerprint)
       values (:userId, :name, :type, :publicKey, :fingerprint) returning ${COLUMNS}`,
      { userId: keypair.userId, name: keypair.name, type: keypair.type, publicKey: keypair.publicKey, fingerprint: keypair.fingerprint },
    );
    return asKeypair(rows[0]!);
  } catch (error) {
    if (doubleOf(error) !== null) throw failure('KeypairExists', `Key pair '${keypair.name}' already exists.`);
    throw error;
  }
}

/** @throws KeypairNotFound */
export async function deleteKeypair(knex: Knex, userId: string, name: string): Promise<void> {
  if ((await changedBy(knex, 'delete from keypairs where user_id = :userId and name = :name', { userId, name })) === 0)
    throw notFound(userId, name);
}

export async function countKeypairs(knex: Knex, userId: string): Promise<number> {
  const rows = await rowsOf<{ count: number }>(knex, 'select count(*) as count from keypairs where user_id = :userId', { userId });
  return rows[0]!.count;
}
