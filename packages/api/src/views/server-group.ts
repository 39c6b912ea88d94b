import type { ServerGroup } from '@kilonova/objects';
import type { Field } from './view.ts';

export const serverGroupFields: readonly Field<ServerGroup>[] = [
  { name: 'id', show: ({ uuid }) => uuid },
  { name: 'name', show: ({ name }) => name },
  { name: 'policies', to: 63, show: ({ policy }) => [policy] },
  { name: 'policy', from: 64, show: ({ policy }) => policy },
  {
    name: 'rules',
    from: 64,
    show: ({ maxServersPerHost }) => (maxServersPerHost === null ? {} : { max_server_per_host: maxServersPerHost }),
  },
  { name: 'members', show: ({ members }) => members },
  { name: 'metadata', to: 63, show: () => ({}) },
  { name: 'project_id', from: 13, show: ({ projectId }) => projectId },
  { name: 'user_id', from: 13, show: ({ userId }) => userId },
];
