import type { Hypervisor } from '@kilonova/objects';
import type { Field, View } from './view.ts';

const idOf = ({ id, uuid }: { readonly id: number; readonly uuid: string }, { version }: View) => (version < 53 ? id : uuid);

/** `up 93 days, 18:25`, like uptime(1); null when the driver cannot say. */
export function uptimeText(seconds: number | null): string | null {
  if (seconds === null) return null;
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60];
  return `up ${days === 0 ? '' : `${days} ${days === 1 ? 'day' : 'days'}, `}${hours}:${String(minutes).padStart(2, '0')}`;
}

const brief: readonly Field<Hypervisor>[] = [
  { name: 'id', show: idOf },
  { name: 'hypervisor_hostname', show: ({ hostname }) => hostname },
  { name: 'state', show: ({ service }) => (service.up && !service.forcedDown ? 'up' : 'down') },
  { name: 'status', show: ({ service }) => (service.disabled ? 'disabled' : 'enabled') },
];

const servers: Field<Hypervisor> = {
  name: 'servers',
  show: (hypervisor, { version }) =>
    hypervisor.servers.length === 0 && version < 75 ? undefined : hypervisor.servers.map(({ uuid, name }) => ({ uuid, name })),
};

/** The same fields with the servers, for who asked for them: from 2.75 also where there are none. */
export const withServers = (fields: readonly Field<Hypervisor>[]): readonly Field<Hypervisor>[] => [...fields, servers];

/** Fields of the short list. */
export const hypervisorNameFields = brief;

export const uptimeFields: readonly Field<Hypervisor>[] = [
  ...brief,
  { name: 'uptime', show: ({ uptimeSeconds }) => uptimeText(uptimeSeconds) },
];

/** Numbers about the use of a host, which left in 2.88. */
const use: readonly Field<Hypervisor>[] = [
  { name: 'vcpus', show: ({ vcpus }) => vcpus },
  { name: 'vcpus_used', show: ({ vcpusUsed }) => vcpusUsed },
  { name: 'memory_mb', show: ({ memoryMb }) => memoryMb },
  { name: 'memory_mb_used', show: ({ memoryMbUsed }) => memoryMbUsed },
  { name: 'free_ram_mb', show: ({ memoryMb, memoryMbUsed }) => memoryMb - memoryMbUsed },
  { name: 'local_gb', show: ({ diskGb }) => diskGb },
  { name: 'local_gb_used', show: ({ diskGbUsed }) => diskGbUsed },
  { name: 'free_disk_gb', show: ({ diskGb, diskGbUsed }) => diskGb - diskGbUsed },
  { name: 'disk_available_least', show: ({ diskAvailableLeast }) => diskAvailableLeast },
  { name: 'running_vms', show: ({ runningVms }) => runningVms },
  { name: 'current_workload', show: ({ currentWorkload }) => currentWorkload },
];

/** Fields of detail and show. */
export const hypervisorFields: readonly Field<Hypervisor>[] = [
  ...brief,
  ...use.map((field) => ({ ...field, to: 87 })),
  { name: 'hypervisor_type', show: ({ type }) => type },
  { name: 'hypervisor_version', show: ({ version }) => version },
  { name: 'host_ip', show: ({ hostIp }) => hostIp },
  {
    name: 'service',
    show: ({ service }, view) => ({ host: service.host, id: idOf(service, view), disabled_reason: service.disabledReason }),
  },
  { name: 'cpu_info', to: 27, show: ({ cpuInfo }) => JSON.stringify(cpuInfo) },
  { name: 'cpu_info', from: 28, to: 87, show: ({ cpuInfo }) => cpuInfo },
  { name: 'uptime', from: 88, show: ({ uptimeSeconds }) => uptimeText(uptimeSeconds) },
];

/** Sums over all hosts, up to 2.87. */
export function statistics(hypervisors: readonly Hypervisor[], view: View): object {
  const enabled = hypervisors.filter(({ service }) => !service.disabled);
  const sum = (show: Field<Hypervisor>['show']) => enabled.reduce((total, one) => total + Number(show(one, view) ?? 0), 0);
  return { count: enabled.length, ...Object.fromEntries(use.map(({ name, show }) => [name, sum(show)])) };
}
