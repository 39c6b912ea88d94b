import type { HostTable } from './snapshot/host-table.ts';

/** How much a host is worth for a request: raw numbers, brought to 0..1 over the candidates, times the multiplier, summed. */
export interface HostWeigher {
  /** As in `weigh.<name>_multiplier` and, in aggregate metadata, `<name>_weight_multiplier`. */
  readonly name: 'ram' | 'cpu' | 'disk' | 'io_ops' | 'build_failure';
  weight(row: number, hosts: HostTable): number;
}
