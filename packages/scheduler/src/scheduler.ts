/** Answers requests from the snapshot and remembers its answers for a moment. */
import { failure, type HostRequest, type HostSelections } from '@kilonova/objects';
import type { Random } from '@kilonova/runtime';
import type { SchedulerConfig } from './config.ts';
import { enabledFilters } from './filters/index.ts';
import { amountOf, select, type Policy } from './selection/select.ts';
import type { Snapshot } from './snapshot/snapshot.ts';
import { weighers } from './weighers/index.ts';

const policyOf = (config: SchedulerConfig): Policy => ({
  filters: enabledFilters(config),
  weighers,
  multipliers: {
    ram: config.ramWeightMultiplier,
    cpu: config.cpuWeightMultiplier,
    disk: config.diskWeightMultiplier,
    io_ops: config.ioOpsWeightMultiplier,
    build_failure: config.buildFailureWeightMultiplier,
    soft_affinity: config.softAffinityWeightMultiplier,
    soft_anti_affinity: config.softAntiAffinityWeightMultiplier,
  },
  hostSubsetSize: config.hostSubsetSize,
  maxAlternates: config.maxAlternates,
});

export class Scheduler {
  readonly #policy: Policy;
  readonly #snapshot: Snapshot;
  readonly #random: Random;
  readonly #maxInstances: number;

  constructor(config: SchedulerConfig, snapshot: Snapshot, random: Random) {
    this.#policy = policyOf(config);
    this.#snapshot = snapshot;
    this.#random = random;
    this.#maxInstances = config.maxInstancesPerRequest;
  }

  /**
   * @throws ServiceError Overloaded before the first snapshot is loaded, InvalidInput for more instances than
   *   `scheduler.max_instances_per_request`.
   */
  select(request: HostRequest): HostSelections {
    if (!this.#snapshot.ready) throw failure('Overloaded', 'The scheduler has not loaded its hosts yet.');
    if (request.instanceUuids.length > this.#maxInstances) {
      throw failure(
        'InvalidInput',
        `${request.instanceUuids.length} instances in one request; at most ${this.#maxInstances} are scheduled at once.`,
      );
    }
    const { hosts, answers } = this.#snapshot;
    answers.expire();
    const answer = select(request, hosts, this.#policy, this.#random);
    const amount = amountOf(request);
    for (const { hosts: chosen } of answer.selections) if (chosen[0] !== undefined) answers.count(chosen[0], amount);
    return answer;
  }
}
