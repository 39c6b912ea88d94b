import type { ServerMigration } from '@kilonova/objects';
import { toMicros, toMicrosOrNull } from './times.ts';
import type { Field, View } from './view.ts';

/** Hosts are for those who may see them; the others read null. */
const hostFields = (policy: string): readonly Field<ServerMigration>[] => {
  const shown = (view: View, value: string | null) => (view.may(policy) ? value : null);
  return [
    { name: 'source_compute', show: ({ sourceHost }, view) => shown(view, sourceHost) },
    { name: 'source_node', show: ({ sourceNode }, view) => shown(view, sourceNode) },
    { name: 'dest_compute', show: ({ destHost }, view) => shown(view, destHost) },
    { name: 'dest_node', show: ({ destNode }, view) => shown(view, destNode) },
    { name: 'dest_host', show: ({ destAddress }, view) => shown(view, destAddress) },
  ];
};

/** A live migration that is under way has a page of its own. */
const UNDER_WAY: ReadonlySet<string> = new Set(['queued', 'preparing', 'running', 'post-migrating']);

/** Of the list of all. */
export const migrationFields: readonly Field<ServerMigration>[] = [
  { name: 'id', show: ({ id }) => id },
  { name: 'uuid', from: 59, show: ({ uuid }) => uuid },
  { name: 'instance_uuid', show: ({ serverUuid }) => serverUuid },
  { name: 'migration_type', from: 23, show: ({ type }) => type },
  { name: 'status', show: ({ status }) => status },
  ...hostFields('os_compute_api:os-migrations:index:host'),
  { name: 'old_instance_type_id', show: ({ oldFlavorNumber }) => oldFlavorNumber },
  { name: 'new_instance_type_id', show: ({ newFlavorNumber }) => newFlavorNumber },
  { name: 'created_at', show: ({ createdAt }) => toMicros(createdAt) },
  { name: 'updated_at', show: ({ updatedAt }) => toMicrosOrNull(updatedAt) },
  {
    name: 'links',
    from: 23,
    show: ({ id, serverUuid, type, status }, { links }) =>
      type === 'live-migration' && UNDER_WAY.has(status) ? links.both(`servers/${serverUuid}/migrations/${id}`) : undefined,
  },
  { name: 'user_id', from: 80, show: ({ userId }) => userId },
  { name: 'project_id', from: 80, show: ({ projectId }) => projectId },
];

/** Of a server's live migration that is under way. */
export const serverMigrationFields: readonly Field<ServerMigration>[] = [
  { name: 'id', show: ({ id }) => id },
  { name: 'uuid', from: 59, show: ({ uuid }) => uuid },
  { name: 'server_uuid', show: ({ serverUuid }) => serverUuid },
  { name: 'status', show: ({ status }) => status },
  ...hostFields('os_compute_api:servers:migrations:index:host'),
  { name: 'memory_total_bytes', show: ({ memoryTotalBytes }) => memoryTotalBytes },
  { name: 'memory_processed_bytes', show: ({ memoryProcessedBytes }) => memoryProcessedBytes },
  { name: 'memory_remaining_bytes', show: ({ memoryRemainingBytes }) => memoryRemainingBytes },
  { name: 'disk_total_bytes', show: ({ diskTotalBytes }) => diskTotalBytes },
  { name: 'disk_processed_bytes', show: ({ diskProcessedBytes }) => diskProcessedBytes },
  { name: 'disk_remaining_bytes', show: ({ diskRemainingBytes }) => diskRemainingBytes },
  { name: 'created_at', show: ({ createdAt }) => toMicros(createdAt) },
  { name: 'updated_at', show: ({ createdAt, updatedAt }) => toMicros(updatedAt ?? createdAt) },
  { name: 'user_id', from: 80, show: ({ userId }) => userId },
  { name: 'project_id', from: 80, show: ({ projectId }) => projectId },
];
