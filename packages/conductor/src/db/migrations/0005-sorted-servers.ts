import type { Knex } from 'knex';

/**
 * An index for every sort and filter of the server list. Where nearly all rows have one value, the index holds the others
 * alone (db/server-sorts.ts): every write of a row writes into each index that holds it.
 */
const indexes: Readonly<Record<string, string>> = {
  instances_project: '(project_id, uuid) where deleted_at is null',
  instances_name: '(name, uuid) where deleted_at is null',
  instances_hostname: '(hostname, uuid) where deleted_at is null',
  instances_node: '(node, uuid) where deleted_at is null and node is not null',
  instances_without_host: '(uuid) where deleted_at is null and host is null and node is null',
  instances_launched: '(launched_at, uuid) where deleted_at is null',
  instances_deleted: '(created_at, uuid) where deleted_at is not null',
  instances_state: "(vm_state, uuid) where deleted_at is null and vm_state <> 'active'",
  instances_power_state: '(power_state, uuid) where deleted_at is null and power_state <> 1',
  instances_progress: '(progress, uuid) where deleted_at is null and progress <> 0',
  instances_launch_index: '(launch_index, uuid) where deleted_at is null and launch_index <> 0',
  instances_locked: '(uuid) where deleted_at is null and locked',
  instances_config_drive: '(uuid) where deleted_at is null and config_drive',
  instances_auto_disk_config: '(uuid) where deleted_at is null and auto_disk_config',
  instances_task_state: '(task_state, uuid) where deleted_at is null and task_state is not null',
  instances_description: '(description, uuid) where deleted_at is null and description is not null',
  instances_key_name: '(key_name, uuid) where deleted_at is null and key_name is not null',
  instances_access_ip_v4: '(access_ip_v4, uuid) where deleted_at is null and access_ip_v4 is not null',
  instances_access_ip_v6: '(access_ip_v6, uuid) where deleted_at is null and access_ip_v6 is not null',
  instances_kernel: '(kernel_id, uuid) where deleted_at is null and kernel_id is not null',
  instances_ramdisk: '(ramdisk_id, uuid) where deleted_at is null and ramdisk_id is not null',
  instances_root_device: '(root_device_name, uuid) where deleted_at is null and root_device_name is not null',
  instances_terminated: '(terminated_at, uuid) where deleted_at is null and terminated_at is not null',
};

/** What these do as well, for the servers of all projects: no statement needs them, also none of the release before. */
const replaced = ['instances_project_name', 'instances_project_state', 'instances_project_updated'];

/** Indexes are made beside the work of conductors, which no transaction can hold. */
export const config = { transaction: false };

/** May be run again after it ended in the middle, which leaves an index that is not valid. */
export async function up(knex: Knex): Promise<void> {
  const { rows } = await knex.raw<{ rows: readonly { name: string }[] }>(
    `select c.relname as name from pg_index x join pg_class c on c.oid = x.indexrelid where not x.indisvalid and c.relname = any (?)`,
    [Object.keys(indexes)],
  );
  for (const { name } of rows) await knex.raw(`drop index concurrently if exists ${name}`);
  for (const [name, definition] of Object.entries(indexes))
    await knex.raw(`create index concurrently if not exists ${name} on instances ${definition}`);
  for (const name of replaced) await knex.raw(`drop index concurrently if exists ${name}`);
}

export async function down(): Promise<void> {
  throw new Error('this migration has no way back');
}
