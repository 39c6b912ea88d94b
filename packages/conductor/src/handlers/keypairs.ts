import type { CreateKeypair, Keypair, KeypairRef, ListKeypairs } from '@kilonova/objects';
import { Empty } from '@kilonova/rpc';
import * as keypairs from '../db/keypairs.ts';
import { limitsOf } from '../db/quotas.ts';
import type { Services } from '../services.ts';
import { pageLimit, pieces } from './pages.ts';
import { refuseIfDenied } from './scopes.ts';

export async function* listKeypairs({ knex, config }: Services, request: ListKeypairs): AsyncGenerator<readonly Keypair[]> {
  refuseIfDenied(request.scope);
  const limit = pageLimit(request.limit, config.conductor.pageMax);
  yield* pieces(await keypairs.keypairPage(knex, request.userId, request.marker, limit), config.conductor.pieceRows);
}

export async function getKeypair({ knex }: Services, { scope, userId, name }: KeypairRef): Promise<Keypair> {
  refuseIfDenied(scope);
  return keypairs.findKeypair(knex, userId, name);
}

/** The limit is that of the caller's project, the count that of the user. */
export async function createKeypair({ knex, config }: Services, request: CreateKeypair): Promise<Keypair> {
  const { scope, userId } = request;
  refuseIfDenied(scope);
  return knex.transaction(async (trx) => {
    const { user } = await limitsOf(trx, config.quota, scope.projectId, userId);
    return keypairs.insertKeypair(trx, request, user.key_pairs);
  });
}

export async function deleteKeypair({ knex }: Services, { scope, userId, name }: KeypairRef): Promise<Empty> {
  refuseIfDenied(scope);
  await keypairs.deleteKeypair(knex, userId, name);
  return new Empty();
}
