import { CreateServers, Flavor, HostRegistration, Inventory, Scope } from '@kilonova/objects';
import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import { conductorSection, quotaSection, type ConductorConfig, type DatabaseConfig, type QuotaConfig } from '../config.ts';
import type { Database } from '../db/connection.ts';
import { insertFlavor } from '../db/flavors.ts';
import { register } from '../hosts/registration.ts';
import type { Services } from '../services.ts';

export interface TestServices extends Services {
  /** Hosts of which schedulers would be told. */
  readonly touched: string[];
  /** Tasks that would be driven. */
  readonly woken: string[];
}

/** What handlers get, over a real database; tasks are written and nobody drives them. */
export function testServices(
  { knex, config }: { readonly knex: Database; readonly config: DatabaseConfig },
  changes: { readonly conductor?: Partial<ConductorConfig>; readonly quota?: Partial<QuotaConfig> } = {},
): TestServices {
  const touched: string[] = [];
  const woken: string[] = [];
  return {
    knex,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    metrics: createMetrics('conductor'),
    config: {
      database: config,
      conductor: defaultsOf(conductorSection, { enforceHostAccounts: false, ...changes.conductor }),
      quota: defaultsOf(quotaSection, changes.quota),
    },
    engine: {
      createTasks: async (trx, tasks) => {
        const ids = tasks.map(({ id }) => id);
        for (const { id, kind, instanceUuid, requestId, params } of tasks)
          await trx('tasks').insert({
            id,
            kind,
            version: 1,
            instance_uuid: instanceUuid,
            request_id: requestId,
            state: 'running',
            params: JSON.stringify(params),
            deadline_at: trx.raw(`kilonova_now() + interval '1 hour'`),
          });
        return () => void woken.push(...ids);
      },
      knows: () => true,
      wake: (ids) => void woken.push(...ids),
      hostsReturned: async () => undefined,
      cancel: () => Promise.reject(new Error('nobody drives tasks here')),
    },
    scheduler: { selectDestinations: () => Promise.reject(new Error('nobody schedules here')) },
    publisher: { hostsTouched: (hosts) => void touched.push(...hosts) },
    touched,
    woken,
  };
}

/** A member of a project, unless said otherwise. */
export const aScope = (changes: Partial<Scope> = {}): Scope =>
  Object.assign(new Scope(), { userId: 'ann', projectId: 'demo', requestId: `req-${systemRandom.uuid()}`, ...changes });

export const anAdmin = (changes: Partial<Scope> = {}): Scope =>
  aScope({ userId: 'root', projectId: 'admin', admin: true, allProjects: true, ...changes });

export const aFlavor = (changes: Partial<Flavor> = {}): Flavor =>
  Object.assign(new Flavor(), { flavorId: '1', name: 'm1.tiny', vcpus: 1, memoryMb: 512, rootGb: 1, ...changes });

export const anInventory = (changes: Partial<Inventory> = {}): Inventory =>
  Object.assign(new Inventory(), { vcpus: 8, memoryMb: 16_384, diskGb: 200, hypervisorType: 'fake', ...changes });

/** A host that registers. */
export async function aHost(services: Services, host: string, inventory: Partial<Inventory> = {}): Promise<void> {
  const registration = Object.assign(new HostRegistration(), {
    host,
    node: host,
    version: '1.0',
    driver: 'fake',
    inventory: anInventory(inventory),
  });
  await register(services, { caller: `compute.${host}` }, registration);
}

export async function someFlavors(services: Services, ...flavors: readonly Partial<Flavor>[]): Promise<void> {
  for (const flavor of flavors) await insertFlavor(services.knex, aFlavor(flavor));
}

export const aRequest = (changes: Partial<CreateServers> = {}): CreateServers =>
  Object.assign(new CreateServers(), {
    scope: aScope(),
    idempotencyKey: systemRandom.uuid(),
    bodyHash: 'a body',
    name: 'web',
    flavorId: '1',
    ...changes,
  });

/** The rows of a streamed answer. */
export async function collect<T>(stream: AsyncIterable<readonly T[]>): Promise<T[]> {
  const rows: T[] = [];
  for await (const piece of stream) rows.push(...piece);
  return rows;
}
