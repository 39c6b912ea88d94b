/** Apart from the filters: every process reads the configuration, and only the scheduler needs the filters themselves. */
export const filterNames: readonly string[] = [
  'availability_zone',
  'compute_status',
  'aggregate_extra_specs',
  'compute_capabilities',
  'image_properties',
  'isolated_hosts',
  'excluded_hosts',
  'different_host',
  'same_host',
  'affinity',
  'anti_affinity',
  'memory',
  'vcpus',
  'disk',
  'io_ops',
  'num_instances',
];

/** @throws Error that names an unknown filter and lists the known ones */
export function checkFilterName(name: string): void {
  if (!filterNames.includes(name)) throw new Error(`no filter is called "${name}"; known are ${filterNames.join(', ')}`);
}
