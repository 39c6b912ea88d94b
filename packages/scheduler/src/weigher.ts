import type { HostRequest } from '@kilonova/objects';
import type { Candidates } from './filter.ts';

/** How much a host is worth for a request: raw numbers, brought to 0..1 over the candidates, times the multiplier, summed. */
export interface HostWeigher {
  /** As in `scheduler.<name>_weight_multiplier` and, in aggregate metadata, `<name>_weight_multiplier`. */
  readonly name: 'ram' | 'cpu' | 'disk' | 'io_ops' | 'build_failure' | 'soft_affinity' | 'soft_anti_affinity';
  /** Undefined when the request gives it nothing to prefer. */
  compile(request: HostRequest, candidates: Candidates): ((row: number) => number) | undefined;
}
