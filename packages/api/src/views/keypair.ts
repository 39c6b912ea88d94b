import type { Keypair } from '@kilonova/objects';
import { toMicros } from './times.ts';
import type { Field } from './view.ts';

/** Fields of the list. */
export const keypairNameFields: readonly Field<Keypair>[] = [
  { name: 'name', show: ({ name }) => name },
  { name: 'type', from: 2, show: ({ type }) => type },
  { name: 'public_key', show: ({ publicKey }) => publicKey },
  { name: 'fingerprint', show: ({ fingerprint }) => fingerprint },
];

/** The answer to a create. */
export const newKeypairFields: readonly Field<Keypair>[] = [...keypairNameFields, { name: 'user_id', show: ({ userId }) => userId }];

export const keypairFields: readonly Field<Keypair>[] = [
  ...newKeypairFields,
  { name: 'id', show: ({ id }) => id },
  { name: 'created_at', show: ({ createdAt }) => toMicros(createdAt) },
  { name: 'updated_at', show: () => null },
  { name: 'deleted', show: () => false },
  { name: 'deleted_at', show: () => null },
];
