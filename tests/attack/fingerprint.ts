import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brokerctl } from '../support/broker.ts';
import type { Cloud } from '../support/cloud.ts';

/** Signs of life and of repeated work: they change by themselves. */
const RESTLESS: readonly string[] = [
  ...['last_seen_at', 'lease_until', 'wake_at', 'report_by', 'inquired_at', 'next_try_at', 'seen_at'],
  ...['attempts', 'owner', 'owner_epoch', 'heartbeat_sequence', 'uptime_seconds', 'domains_round', 'round'],
];
/** Of hosts and services also these: a heartbeat touches them. */
const OF_LIFE: readonly string[] = ['updated_at', 'revision'];

/** Queues for what no contract has: they end by themselves, soon after they were declared. */
const UNREAD = '.fanout.compute.';

/** What is the stolen host's own, and so may change by what it says. */
export interface Own {
  readonly host: string;
  readonly instances: readonly string[];
}

/** Everything that is not the stolen host's own: rows by table, what other hosts run and remember, what is on the broker. */
export async function fingerprint(cloud: Cloud, namespace: string, own: Own): Promise<Readonly<Record<string, unknown>>> {
  const tables = await cloud.database.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`,
  );
  const rows: Record<string, unknown> = {};
  for (const { name } of tables) {
    const found = await cloud.database.query<{ row: Record<string, unknown> }>(`select to_jsonb(t) as row from "${name}" t`);
    const others = found.map(({ row }) => row).filter((row) => !isOwn(row, own));
    rows[name] = others.map((row) => settled(name, row)).toSorted();
  }
  const hosts = Object.fromEntries(
    cloud.hosts
      .filter((host) => host !== own.host)
      .map((host) => [host, ['fake-domains.jsonl', 'journal'].map((file) => hashOf(join(cloud.dir, host, file)))]),
  );
  return { rows, hosts, broker: await brokerPrint(namespace) };
}

async function brokerPrint(namespace: string): Promise<Readonly<Record<string, unknown>>> {
  const list = async (...words: readonly string[]) =>
    (await brokerctl(['--quiet', ...words]))
      .split('\n')
      .filter((line) => line.includes(`${namespace}.`) && !line.includes(UNREAD))
      .toSorted();
  return {
    queues: await list('list_queues', 'name', 'durable', 'auto_delete', 'policy', 'arguments'),
    exchanges: await list('list_exchanges', 'name', 'type', 'durable', 'arguments'),
    bindings: await list('list_bindings', 'source_name', 'destination_name', 'destination_kind', 'routing_key'),
    permissions: await list('list_permissions'),
  };
}

function isOwn(row: Readonly<Record<string, unknown>>, { host, instances }: Own): boolean {
  if (row['host'] === host || row['awaits_host'] === host) return true;
  return [row['instance_uuid'], row['uuid']].some((uuid) => typeof uuid === 'string' && instances.includes(uuid));
}

function settled(table: string, row: Readonly<Record<string, unknown>>): string {
  const restless = ['hosts', 'services', 'conductors', 'tasks'].includes(table) ? [...RESTLESS, ...OF_LIFE] : RESTLESS;
  return JSON.stringify(Object.entries(row).filter(([name]) => !restless.includes(name)));
}

const hashOf = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
