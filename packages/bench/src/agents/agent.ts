import { computeSection, fakeSection, startCompute, type ComputeParts, type Driver } from '@kilonova/compute';
import { Inventory } from '@kilonova/objects';
import type { Transport } from '@kilonova/rpc';
import { defaultsOf, type RunningService, type Surroundings } from '@kilonova/runtime';
import { join } from 'node:path';

export interface SimulatedAgentParts extends Surroundings {
  readonly host: string;
  readonly transport: Transport;
  /** Folder of all agents. */
  readonly folder: string;
  readonly heartbeatMs: number;
  /** Accounts whose orders are taken. */
  readonly trustedCallers: readonly string[];
}

/** The agent as it is, with a hypervisor that has nothing on it and a journal that is nowhere: no order comes. */
export function startSimulatedAgent({
  host,
  transport,
  folder,
  heartbeatMs,
  trustedCallers,
  ...surroundings
}: SimulatedAgentParts): Promise<RunningService> {
  return startCompute({
    ...surroundings,
    host,
    transport,
    stateDir: join(folder, host),
    driver: idleDriver(),
    storage: noStorage(),
    // At rest: an agent that has just started would tell for some minutes that nothing runs. The second time tells it how many there are.
    config: { compute: defaultsOf(computeSection, { heartbeatMs, trustedCallers, domainRepeats: 2 }), fake: defaultsOf(fakeSection) },
  });
}

const noOrders = () => Promise.reject(new Error('a host of a benchmark takes no orders'));

/** Too small for any server: nothing is placed here by whoever uses the cloud meanwhile. */
const idleDriver = (): Driver => ({
  name: 'idle',
  inventory: async () => Object.assign(new Inventory(), { vcpus: 0, memoryMb: 0, diskGb: 0, hypervisorType: 'idle' }),
  list: async () => [],
  ensureRunning: noOrders,
  ensureStarted: noOrders,
  reboot: noOrders,
  ensureStopped: noOrders,
  ensureAbsent: async () => undefined,
  close: async () => undefined,
});

const noStorage = (): NonNullable<ComputeParts['storage']> => ({
  path: 'nowhere',
  open: async () => Buffer.alloc(0),
  truncate: async () => undefined,
  append: async () => undefined,
  sync: async () => undefined,
  replace: async () => undefined,
  close: async () => undefined,
});
