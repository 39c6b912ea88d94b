import type { Aggregate } from '@kilonova/objects';
import { toMicros, toMicrosOrNull } from './times.ts';
import type { Field } from './view.ts';

/** The answer to a create: an aggregate that has nothing yet. */
export const newAggregateFields: readonly Field<Aggregate>[] = [
  { name: 'id', show: ({ id }) => id },
  { name: 'uuid', from: 41, show: ({ uuid }) => uuid },
  { name: 'name', show: ({ name }) => name },
  { name: 'availability_zone', show: ({ availabilityZone }) => availabilityZone },
  { name: 'created_at', show: ({ createdAt }) => toMicros(createdAt) },
  { name: 'updated_at', show: ({ updatedAt }) => toMicrosOrNull(updatedAt) },
  { name: 'deleted', show: () => false },
  { name: 'deleted_at', show: () => null },
];

export const aggregateFields: readonly Field<Aggregate>[] = [
  ...newAggregateFields,
  { name: 'hosts', show: ({ hosts }) => hosts },
  {
    name: 'metadata',
    show: ({ metadata, availabilityZone }) => ({
      ...metadata,
      ...(availabilityZone === null ? {} : { availability_zone: availabilityZone }),
    }),
  },
];
