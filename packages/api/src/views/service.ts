import type { Service } from '@kilonova/objects';
import { toMicrosOrNull } from './times.ts';
import type { Field } from './view.ts';

/** Fields of `GET /os-services`, and of the answer to an update from 2.53. */
export const serviceFields: readonly Field<Service>[] = [
  { name: 'id', to: 52, show: ({ id }) => id },
  { name: 'id', from: 53, show: ({ uuid }) => uuid },
  { name: 'binary', show: ({ binary }) => binary },
  { name: 'host', show: ({ host }) => host },
  { name: 'zone', show: ({ availabilityZone }) => availabilityZone },
  { name: 'status', show: ({ disabled }) => (disabled ? 'disabled' : 'enabled') },
  { name: 'state', show: ({ up, forcedDown }) => (up && !forcedDown ? 'up' : 'down') },
  { name: 'updated_at', show: ({ updatedAt }) => toMicrosOrNull(updatedAt) },
  { name: 'disabled_reason', show: ({ disabledReason }) => disabledReason },
  { name: 'forced_down', from: 11, show: ({ forcedDown }) => forcedDown },
];
