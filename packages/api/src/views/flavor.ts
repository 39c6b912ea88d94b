import type { Flavor } from '@kilonova/objects';
import type { Field } from './view.ts';

const name: readonly Field<Flavor>[] = [
  { name: 'id', show: ({ flavorId }) => flavorId },
  { name: 'name', show: (flavor) => flavor.name },
  { name: 'links', show: ({ flavorId }, { links }) => links.both(`flavors/${encodeURIComponent(flavorId)}`) },
  { name: 'description', from: 55, show: ({ description }) => description },
];

/** Fields of `GET /flavors`. */
export const flavorNameFields = name;

/** Fields of a whole flavor. */
export const flavorFields: readonly Field<Flavor>[] = [
  ...name,
  { name: 'ram', show: ({ memoryMb }) => memoryMb },
  { name: 'disk', show: ({ rootGb }) => rootGb },
  { name: 'vcpus', show: ({ vcpus }) => vcpus },
  { name: 'swap', to: 74, show: ({ swapMb }) => (swapMb === 0 ? '' : swapMb) },
  { name: 'swap', from: 75, show: ({ swapMb }) => swapMb },
  { name: 'OS-FLV-EXT-DATA:ephemeral', show: ({ ephemeralGb }) => ephemeralGb },
  { name: 'OS-FLV-DISABLED:disabled', show: ({ disabled }) => disabled },
  { name: 'os-flavor-access:is_public', show: ({ isPublic }) => isPublic },
  { name: 'rxtx_factor', show: ({ rxtxFactor }) => rxtxFactor },
  {
    name: 'extra_specs',
    from: 61,
    show: ({ extraSpecs }, { may }) => (may('os_compute_api:os-flavor-extra-specs:index') ? extraSpecs : undefined),
  },
];
