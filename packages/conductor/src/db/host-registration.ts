import { failure, type HostRegistration, type Inventory } from '@kilonova/objects';
import type { Knex } from 'knex';
import { touchHosts, type DefaultRatios } from './host-capacity.ts';
import { RID_OF_DOUBLES } from './hosts-up.ts';
import { brokenCheckOf, doubleOf } from './refusals.ts';
import { rowsOf } from './rows.ts';
import { forgetStrayRounds } from './strays.ts';

/** Identifiers for rows that may be new. */
export interface NewHostIds {
  readonly serviceUuid: string;
  readonly hostUuid: string;
}

/**
 * A host says that it is there and what it has: its service and its row are made or brought up to date, and it is up
 * unless an operator forced it down or something evacuated may still run there. What was claimed of it stays.
 *
 * @throws Conflict when another host has its node.
 */
export async function registerHost(
  trx: Knex.Transaction,
  registration: HostRegistration,
  ids: NewHostIds,
  defaults: DefaultRatios,
): Promise<void> {
  const { host, node, cell, version, driver, inventory, agent } = registration;
  const services = await rowsOf<{ forced_down: boolean }>(
    trx,
    `insert into services (uuid, "binary", host, version, last_seen_at)
     values (:serviceUuid, 'nova-compute', :host, :version, kilonova_now())
     on conflict (host, "binary") do update set version = excluded.version, last_seen_at = kilonova_now()
     returning forced_down`,
    { serviceUuid: ids.serviceUuid, host, version },
  );
  try {
    await trx.raw(
      `insert into hosts (host, uuid, node, cell, driver, version, agent) values (:host, :hostUuid, :node, :cell, :driver, :version, :agent)
       on conflict (host) do update set node = excluded.node, cell = excluded.cell, driver = excluded.driver, version = excluded.version,
         agent = excluded.agent`,
      { host, hostUuid: ids.hostUuid, node, cell, driver, version, agent: agent === '' ? null : agent },
    );
  } catch (error) {
    if (doubleOf(error) === 'hosts_node_key') throw failure('Conflict', `Node ${node} belongs to another host than ${host}.`);
    throw error;
  }
  // An agent counts its rounds by its clock, which may have been ahead: what the agents before it counted says nothing any more.
  await trx.raw(`update hosts h set up = :up and ${RID_OF_DOUBLES}, heartbeat_sequence = 0, domains_round = 0 where h.host = :host`, {
    ...{ host, up: !services[0]!.forced_down },
  });
  await trx.raw('delete from domain_sightings where host = ?', [host]);
  await forgetStrayRounds(trx, host);
  await writeInventory(trx, host, inventory);
  await touchHosts(trx, [host], defaults);
}

/**
 * The inventory of a heartbeat, unless a newer one is known.
 *
 * @returns whether it was taken.
 */
export async function updateInventory(
  trx: Knex.Transaction,
  beat: { readonly host: string; readonly sequence: number; readonly inventory: Inventory },
  defaults: DefaultRatios,
): Promise<boolean> {
  const newer = await rowsOf<{ host: string }>(
    trx,
    `update hosts set heartbeat_sequence = :sequence where host = :host and heartbeat_sequence < :sequence returning host`,
    { host: beat.host, sequence: beat.sequence },
  );
  if (newer.length === 0) return false;
  await writeInventory(trx, beat.host, beat.inventory);
  await touchHosts(trx, [beat.host], defaults);
  return true;
}

/** Whether this process is the one that registered last as the host, as far as both said who they are: older agents do not. */
export async function speaksFor(knex: Knex, host: string, agent: string): Promise<boolean> {
  if (agent === '') return true;
  const rows = await rowsOf<{ agent: string | null }>(knex, 'select agent from hosts where host = :host', { host });
  const registered = rows[0]?.agent ?? null;
  return registered === null || registered === agent;
}

/** @throws InvalidInput for amounts below 0 */
async function writeInventory(trx: Knex.Transaction, host: string, inventory: Inventory): Promise<void> {
  try {
    await storeInventory(trx, host, inventory);
  } catch (error) {
    const check = brokenCheckOf(error);
    if (check !== null) throw failure('InvalidInput', `inventory of host ${host}: expected amounts of 0 or more (${check})`);
    throw error;
  }
}

async function storeInventory(trx: Knex.Transaction, host: string, inventory: Inventory): Promise<void> {
  // The limits follow in touchHosts: until then they are what may have been claimed under the old inventory.
  await trx.raw(
    `update hosts set
       vcpus = :vcpus, memory_mb = :memoryMb, disk_gb = :diskGb,
       reserved_vcpus = :reservedVcpus, reserved_memory_mb = :reservedMemoryMb, reserved_disk_gb = :reservedDiskGb,
       hypervisor_type = :hypervisorType, hypervisor_version = :hypervisorVersion,
       cpu_info = cast(:cpuInfo as jsonb), supported_instances = cast(:supportedInstances as jsonb),
       capabilities = cast(:capabilities as jsonb), host_ip = :hostIp, uptime_seconds = :uptimeSeconds
     where host = :host`,
    {
      host,
      vcpus: inventory.vcpus,
      memoryMb: inventory.memoryMb,
      diskGb: inventory.diskGb,
      reservedVcpus: inventory.reservedVcpus,
      reservedMemoryMb: inventory.reservedMemoryMb,
      reservedDiskGb: inventory.reservedDiskGb,
      hypervisorType: inventory.hypervisorType,
      hypervisorVersion: inventory.hypervisorVersion,
      cpuInfo: JSON.stringify(inventory.cpuInfo),
      supportedInstances: JSON.stringify(inventory.supportedInstances),
      capabilities: JSON.stringify(inventory.capabilities),
      hostIp: inventory.hostIp,
      uptimeSeconds: inventory.uptimeSeconds,
    },
  );
}
