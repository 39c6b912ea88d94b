/** Answers requests from the snapshot and remembers its answers for a moment. */
import { failure, type HostRequest, type HostSelections } from '@kilonova/objects';
import type { Random } from '@kilonova/runtime';
import type { SchedulerConfig } from './config.ts';
import { enabledFilters } from './filters/index.ts';
import { Selector, type Policy } from './selection/selector.ts';
import type { Snapshot } from './snapshot/snapshot.ts';
import { hostWeighers, requestWeighers } from './weighers/index.ts';

const policyOf = (config: SchedulerConfig): Policy => ({
  filters: enabledFilters(config),
  hostWeighers,
  requestWeighers,
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
  maxKeptOrders: config.maxKeptOrders,
});

export class Scheduler {
  readonly #snapshot: Snapshot;
  readonly #selector: Selector;
  readonly #maxInstances: number;

  constructor(config: SchedulerConfig, snapshot: Snapshot, random: Random) {
    this.#snapshot = snapshot;
    const { hosts, answers } = snapshot;
    this.#selector = new Selector(hosts, policyOf(config), random, (row, amount) => answers.count(row, amount));
    this.#maxInstances = config.maxInstancesPerRequest;
  }

  /** How often all hosts were looked at to put those of a class of requests in order. */
  get orderBuilds(): number {
    return this.#selector.orderBuilds;
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
    this.#snapshot.answers.expire();
    return this.#selector.select(request);
  }
}
