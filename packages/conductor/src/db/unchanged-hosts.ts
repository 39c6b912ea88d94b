import type { HostRegistration } from '@kilonova/objects';
import type { Knex } from 'knex';
import { wantedRatios, type DefaultRatios } from './host-capacity.ts';
import { rowsOf } from './rows.ts';

/**
 * Those of the hosts of which the database knows all that they say, but for how long they are up: writing it again would
 * change nothing. Numbers that cannot be read as such are an error of the whole statement.
 */
export async function unchangedHosts(knex: Knex, registrations: readonly HostRegistration[], defaults: DefaultRatios): Promise<string[]> {
  const given = registrations.map(({ host, node, cell, version, driver, agent, inventory }) => ({
    host,
    node,
    cell,
    version,
    driver,
    agent: agent === '' ? null : agent,
    ...inventory,
  }));
  const rows = await rowsOf<{ host: string }>(
    knex,
    `select g.host
     from jsonb_to_recordset(cast(:given as jsonb)) as g (host text, node text, cell text, version text, driver text, agent text,
       vcpus bigint, "memoryMb" bigint, "diskGb" bigint, "reservedVcpus" bigint, "reservedMemoryMb" bigint, "reservedDiskGb" bigint,
       "hypervisorType" text, "hypervisorVersion" bigint, "cpuInfo" jsonb, "supportedInstances" jsonb, capabilities jsonb, "hostIp" text)
     join services s on s.host = g.host and s."binary" = 'nova-compute' and s.version = g.version
     join hosts h on h.host = g.host and h.node = g.node and h.cell = g.cell and h.driver = g.driver and h.version = g.version
       and h.agent is not distinct from g.agent
     where h.heartbeat_sequence = 0
       and h.vcpus = g.vcpus and h.memory_mb = g."memoryMb" and h.disk_gb = g."diskGb"
       and h.reserved_vcpus = g."reservedVcpus" and h.reserved_memory_mb = g."reservedMemoryMb" and h.reserved_disk_gb = g."reservedDiskGb"
       and h.hypervisor_type = g."hypervisorType" and h.hypervisor_version = g."hypervisorVersion"
       and h.cpu_info = g."cpuInfo" and h.supported_instances = g."supportedInstances" and h.capabilities = g.capabilities
       and h.host_ip is not distinct from g."hostIp"
       and h.cpu_ratio = ${wantedRatios.cpu} and h.memory_ratio = ${wantedRatios.memory} and h.disk_ratio = ${wantedRatios.disk}`,
    { given: JSON.stringify(given), ...defaults },
  );
  return rows.map(({ host }) => host);
}
