import assert from 'node:assert/strict';
import {
  type ActOnServer,
  type CreateServers,
  conductorContract,
  HostAnswers,
  HostSelection,
  HostSelections,
  type HostRequest,
  schedulerContract,
  version,
} from '@kilonova/objects';
import { createClient, InProcessBroker, serve } from '@kilonova/rpc';
import { createMetrics, defaultsOf, type Logger, type RunningService, silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import { conductorSection, quotaSection, type ConductorConfig } from '../config.ts';
import { invariants } from '../db/invariants/index.ts';
import { startConductor } from '../main.ts';
import type { FreshDatabase } from './fresh-database.ts';
import { mortal, type MortalDatabase } from './mortal-database.ts';
import { ScriptedHost } from './scripted-host.ts';

/** Quick enough that a test may wait for leases and repeats. */
export const quick: Partial<ConductorConfig> = {
  ...{
    leaseMs: 400,
    leaseRenewMs: 80,
    lookMs: 25,
    adoptMs: 50,
    retryMinMs: 5,
    retryMaxMs: 100,
    strandedMs: 300,
    resendMinMs: 150,
    resendMaxMs: 400,
  },
  ...{
    inquiryMs: 60,
    livenessMs: 50,
    stopGraceMs: 500,
    cleanupLookMs: 25,
    cleanupRetryMaxMs: 150,
    selectTimeoutMs: 500,
    publishCollectMs: 5,
    heartbeatMs: 60_000,
  },
};

export interface Conductor {
  readonly service: RunningService;
  readonly life: MortalDatabase;
  /** As kill -9 leaves it: no queue, no connection, nothing said. */
  kill(): Promise<void>;
}

/** Conductors on a real database, with scripted hosts and a scheduler that names the hosts it is told to. */
export class Cloud {
  readonly broker = new InProcessBroker();
  readonly hosts = new Map<string, ScriptedHost>();
  readonly #database: FreshDatabase;
  readonly #config: Partial<ConductorConfig>;
  readonly #closing: (() => Promise<unknown>)[] = [];
  /** What the scheduler says; by default every host in the order of their start, without the excluded ones. */
  choose: (request: HostRequest) => readonly string[] = (request) =>
    [...this.hosts.keys()].filter((host) => !request.excludedHosts.includes(host));
  explanation = 'nothing fits';
  readonly asked: HostRequest[] = [];
  /** How many of them came in each question. */
  readonly questions: number[] = [];

  constructor(database: FreshDatabase, config: Partial<ConductorConfig> = {}) {
    this.#database = database;
    this.#config = config;
  }

  async startScheduler(knows = version): Promise<void> {
    const transport = this.broker.connect({ service: 'scheduler', id: 's1' });
    const select = (request: HostRequest) => {
      this.asked.push(request);
      const hosts = [...this.choose(request)];
      return Object.assign(new HostSelections(), {
        selections: request.instanceUuids.map((instanceUuid) => Object.assign(new HostSelection(), { instanceUuid, hosts })),
        hostsConsidered: this.hosts.size,
        explanation: hosts.length === 0 ? this.explanation : '',
      });
    };
    const server = await serve(
      transport,
      { ...schedulerContract, version: knows },
      {
        selectDestinations: (_context, request) => {
          this.questions.push(1);
          return select(request);
        },
        selectTogether: (_context, { requests }) => {
          this.questions.push(requests.length);
          return Object.assign(new HostAnswers(), { answers: requests.map(select) });
        },
        hostsChanged: () => undefined,
      },
    );
    this.#closing.push(
      () => server.stop(),
      () => transport.close(),
    );
  }

  async startHost(name: string, inventory: Parameters<ScriptedHost['register']>[0] = {}, knows = version): Promise<ScriptedHost> {
    const host = await ScriptedHost.start(this.broker, name, knows);
    this.#closing.push(() => host.close());
    this.hosts.set(name, host);
    await host.register(inventory);
    return host;
  }

  /** @param options.pin the wire version of its oldest peer */
  async startConductor(
    id: string,
    { ownPool = false, pin, log = silentLogger }: { readonly ownPool?: boolean; readonly pin?: string; readonly log?: Logger } = {},
  ): Promise<Conductor> {
    const transport = this.broker.connect({ service: 'conductor', id });
    const life = mortal(this.#database.knex);
    const service = await startConductor({
      ...{
        transport,
        ...(!ownPool && { database: life.database }),
        ...(pin !== undefined && { pin }),
        clock: systemClock,
        random: systemRandom,
        log,
        metrics: createMetrics(id),
      },
      config: {
        database: this.#database.config,
        conductor: defaultsOf(conductorSection, { ...quick, host: id, ...this.#config }),
        quota: defaultsOf(quotaSection, { instances: -1, cores: -1, ram: -1 }),
      },
    });
    let killed = false;
    this.#closing.push(async () => {
      if (!killed) await service.stop();
      await transport.close();
    });
    const kill = async () => {
      killed = true;
      await transport.close();
      // A dead process renews nothing; its loops in here are only waited out.
      void service.stop().catch(() => undefined);
    };
    return { service, life, kill };
  }

  get client(): ReturnType<typeof createClient<typeof conductorContract>> {
    const transport = this.broker.connect({ service: 'api', id: systemRandom.uuid() });
    this.#closing.push(() => transport.close());
    return createClient(transport, conductorContract, { timeoutMs: 5_000 });
  }

  create(request: CreateServers): Promise<{ serverUuids: string[] }> {
    return this.client.createServers(request);
  }

  act(request: ActOnServer): Promise<unknown> {
    return this.client.actOnServer(request);
  }

  async stop(): Promise<void> {
    for (const close of this.#closing.splice(0).toReversed()) await close();
  }

  /** Nothing is under way any more. @throws AssertionError that says what still is */
  async settled(timeoutMs = 15_000): Promise<void> {
    const underWay = () =>
      this.#rows(
        `select kind as what, state, step::text from tasks where state in ('running', 'parked', 'unwinding')
         union all select 'cleanup', host, reason from cleanups`,
      );
    const endsAt = systemClock.monotonic() + timeoutMs;
    while ((await underWay()).length > 0 && systemClock.monotonic() < endsAt) await systemClock.sleep(15);
    assert.deepEqual(await underWay(), []);
  }

  /** What must hold whenever nothing is under way: the design's invariants, as queries. @throws AssertionError */
  async assertNothingLeftOver(): Promise<void> {
    for (const query of differences) assert.deepEqual(await this.#rows(query), [], query);
    for (const { name, find } of invariants) assert.deepEqual(await find(this.#database.knex, { limit: 10, overdueMs: 0 }), [], name);
    // What waits for a confirmation is kept stopped on the host that it left, as old as when it left.
    const given = await this.#rows(
      `select uuid, host, generation, power_state as power from instances where host is not null
       union all select m.instance_uuid, m.source_host, null, 4 from server_migrations m join instances i on i.uuid = m.instance_uuid
         where m.status = 'finished' and m.source_host <> i.host`,
    );
    const kept = new Set(
      given
        .filter((row) => (row as { generation: unknown }).generation === null)
        .map((row) => keyOf(row as { uuid: string; host: string })),
    );
    const running = [...this.hosts].flatMap(([host, { domains }]) =>
      [...domains].map(([uuid, domain]) => ({ uuid, host, ...domain, ...(kept.has(keyOf({ uuid, host })) && { generation: null }) })),
    );
    const named = (found: readonly object[]) =>
      found.map((one) => JSON.stringify(Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1)))).toSorted();
    assert.deepEqual(named(running), named(given));
  }

  async #rows(query: string): Promise<object[]> {
    const { rows } = (await this.#database.knex.raw(query)) as { rows: object[] };
    return rows;
  }
}

const keyOf = ({ uuid, host }: { readonly uuid: string; readonly host: string }) => `${uuid}@${host}`;

/** Each finds nothing when all is well. */
const differences = [
  `select uuid, vm_state, task_state from instances where task_state is not null or vm_state = 'building'`,
  `select host from hosts where io_ops <> 0`,
  `select m.type, m.status from server_migrations m join instances i on i.uuid = m.instance_uuid
   where (m.open or m.status = 'queued') and (m.status <> 'finished' or i.vm_state <> 'resized')`,
  `select e.event, a.action from instance_action_events e join instance_actions a on a.id = e.action_id where e.finish_time is null`,
] as const;
