import {
  computeContract,
  type FinishIncomingOperation,
  HostRegistration,
  hostReportsContract,
  type Operation,
  OperationReport,
  OperationReports,
  type RebootOperation,
  type RemoveOperation,
  type TakeBackOperation,
  version,
} from '@kilonova/objects';
import { createClient, type InProcessBroker, serve } from '@kilonova/rpc';
import { systemRandom } from '@kilonova/runtime';
import { anInventory } from './services.ts';

/** What a host does with an order of a verb: does it, fails, or says and does nothing (as if cut off). */
export type Behaviour = 'do' | 'fail' | 'ignore';
export type Verb =
  | 'spawn'
  | 'remove'
  | 'powerOn'
  | 'powerOff'
  | 'reboot'
  | 'prepareIncoming'
  | 'migrateOut'
  | 'finishIncoming'
  | 'takeBack';

/**
 * A host's far side of the wire as the compute contract states it: recognises repeats, refuses what is older than a
 * removal, and tells every outcome until it is accepted. Its hypervisor is a map.
 */
export class ScriptedHost {
  readonly name: string;
  readonly domains = new Map<string, { generation: number; power: 0 | 1 | 4 }>();
  /** Orders as they came, repeats too. */
  readonly heard: { verb: string; operation: Operation }[] = [];
  /** By verb, also as a judgement of each order. */
  readonly behaviour: Partial<Record<Verb, Behaviour | ((operation: Operation) => Behaviour)>> = {};
  /** Whether every order is heard twice. */
  hearsTwice = false;
  /** Orders of this verb are still on their way, until `arrive`. */
  awaited: Verb | undefined;
  readonly #onTheirWay: { readonly operation: Operation; readonly take: () => void }[] = [];
  readonly #reports: ReturnType<typeof createClient<typeof hostReportsContract>>;
  readonly #transport: ReturnType<InProcessBroker['connect']>;
  readonly #outcomes = new Map<string, OperationReport>();
  readonly #tombstones = new Set<string>();
  readonly #removed = new Map<string, number>();
  readonly #untold = new Set<string>();
  #number = 0;
  #telling = false;
  #closed = false;
  #stop: () => Promise<void> = async () => undefined;

  private constructor(broker: InProcessBroker, name: string) {
    this.name = name;
    this.#transport = broker.connect({ service: 'compute', id: name, user: `compute.${name}` });
    this.#reports = createClient(this.#transport, hostReportsContract, { timeoutMs: 1_000 });
  }

  /** @param knows the version of its orders, MAJOR.MINOR; it says that it speaks the newest all the same */
  static async start(broker: InProcessBroker, name: string, knows = version): Promise<ScriptedHost> {
    const host = new ScriptedHost(broker, name);
    const take = (verb: Verb, act: (operation: Operation) => void) => (_context: unknown, operation: Operation) =>
      host.#take(verb, operation, act);
    const server = await serve(
      host.#transport,
      { ...computeContract, version: knows },
      {
        spawn: take('spawn', ({ instanceUuid, generation }) => void host.domains.set(instanceUuid, { generation, power: 1 })),
        remove: take('remove', ({ instanceUuid }) => void host.domains.delete(instanceUuid)),
        powerOn: take('powerOn', ({ instanceUuid }) => void (host.domains.get(instanceUuid)!.power = 1)),
        powerOff: take('powerOff', ({ instanceUuid }) => void (host.domains.get(instanceUuid)!.power = 4)),
        reboot: take('reboot', ({ instanceUuid, generation }) => void host.domains.set(instanceUuid, { generation, power: 1 })),
        prepareIncoming: take('prepareIncoming', ({ instanceUuid, generation }) => {
          if (host.domains.get(instanceUuid)?.generation !== generation) host.domains.set(instanceUuid, { generation, power: 0 });
        }),
        migrateOut: take('migrateOut', ({ instanceUuid }) => void (host.domains.get(instanceUuid)!.power = 4)),
        finishIncoming: take('finishIncoming', (operation) => {
          const { instanceUuid, live, running } = operation as FinishIncomingOperation;
          host.domains.get(instanceUuid)!.power = live || running ? 1 : 4;
        }),
        takeBack: take('takeBack', (operation) => {
          const { instanceUuid, generation, running } = operation as TakeBackOperation;
          host.domains.set(instanceUuid, { generation, power: running ? 1 : 4 });
        }),
        inquire: (_context, { operationIds }) => {
          for (const id of operationIds) if (host.#outcomes.has(id)) host.#tell(id);
        },
      },
      { server: name },
    );
    host.#stop = () => server.stop();
    return host;
  }

  /** Its agent starts (anew). */
  async register(inventory: Parameters<typeof anInventory>[0] = {}): Promise<void> {
    await this.#reports.register(
      Object.assign(new HostRegistration(), {
        host: this.name,
        node: this.name,
        version,
        driver: 'scripted',
        agent: systemRandom.uuid(),
        inventory: anInventory(inventory),
      }),
    );
  }

  report(report: OperationReport): Promise<{ operationIds: string[] }> {
    return this.#reports.reportOperations(Object.assign(new OperationReports(), { host: this.name, reports: [report] }));
  }

  get reports(): ReturnType<typeof createClient<typeof hostReportsContract>> {
    return this.#reports;
  }

  /** Which orders are still on their way. */
  get onTheirWay(): readonly string[] {
    return this.#onTheirWay.map(({ operation }) => operation.operationId);
  }

  /** What was on its way comes now, and each twice. */
  arrive(): void {
    this.awaited = undefined;
    this.hearsTwice = true;
    for (const { take } of this.#onTheirWay.splice(0)) take();
  }

  /** Whether the conductors know of every outcome. */
  get told(): boolean {
    return this.#untold.size === 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#stop();
    await this.#transport.close();
  }

  #take(verb: Verb, operation: Operation, act: (operation: Operation) => void): void {
    if (verb === this.awaited) {
      this.#onTheirWay.push({ operation, take: () => this.#take(verb, operation, act) });
      return;
    }
    this.#hear(verb, operation, act);
    if (this.hearsTwice) this.#hear(verb, operation, act);
  }

  #hear(verb: Verb, operation: Operation, act: (operation: Operation) => void): void {
    this.heard.push({ verb, operation });
    const given = this.behaviour[verb] ?? 'do';
    const behaviour = typeof given === 'string' ? given : given(operation);
    if (behaviour === 'ignore') return;
    const { operationId } = operation;
    // A removal that is ordered again is wanted again, whatever became of the first.
    if (verb === 'remove' || !this.#outcomes.has(operationId))
      this.#outcomes.set(operationId, this.#carryOut(verb, operation, behaviour, act));
    this.#tell(operationId);
  }

  #carryOut(verb: Verb, operation: Operation, behaviour: Behaviour, act: (operation: Operation) => void): OperationReport {
    const { operationId, instanceUuid, generation } = operation;
    const failure = this.#refusal(verb, operation) ?? (behaviour === 'fail' ? `${verb} does not work here` : null);
    if (verb === 'remove') {
      const { undoes } = operation as RemoveOperation;
      if (undoes !== null) this.#tombstones.add(undoes);
      this.#removed.set(instanceUuid, Math.max(this.#removed.get(instanceUuid) ?? 0, generation));
    }
    const newer = (this.domains.get(instanceUuid)?.generation ?? 0) > generation;
    if (failure === null && !newer) act(operation);
    this.#number += 1;
    return Object.assign(new OperationReport(), {
      ...{
        number: this.#number,
        operationId,
        instanceUuid,
        generation,
        outcome: failure === null ? 'done' : 'failed',
        message: failure ?? '',
      },
      power: this.domains.get(instanceUuid)?.power ?? 0,
      destination: verb === 'prepareIncoming' ? `scripted://${this.name}` : '',
    });
  }

  #refusal(verb: Verb, operation: Operation): string | null {
    const { operationId, instanceUuid, generation } = operation;
    if (verb === 'spawn' && (this.#tombstones.has(operationId) || (this.#removed.get(instanceUuid) ?? 0) >= generation))
      return 'taken back';
    if (verb === 'spawn' || verb === 'remove') return null;
    if (verb === 'prepareIncoming') return (this.#removed.get(instanceUuid) ?? 0) >= generation ? 'taken back' : null;
    const there = this.domains.get(instanceUuid)?.generation;
    if (verb === 'takeBack' || (verb === 'reboot' && (operation as RebootOperation).spec !== null))
      return there === undefined || there > generation ? 'nothing to take back' : null;
    if (there !== generation) return 'no such domain';
    if (verb === 'finishIncoming' && !(operation as FinishIncomingOperation).sent) return 'nothing came';
    return null;
  }

  #tell(operationId: string): void {
    this.#untold.add(operationId);
    if (this.#telling) return;
    this.#telling = true;
    void this.#tellAll().finally(() => {
      this.#telling = false;
    });
  }

  async #tellAll(): Promise<void> {
    while (this.#untold.size > 0 && !this.#closed) {
      const reports = [...this.#untold].map((id) => {
        this.#number += 1;
        return Object.assign(new OperationReport(), this.#outcomes.get(id)!, { number: this.#number });
      });
      try {
        const { operationIds } = await this.#reports.reportOperations(Object.assign(new OperationReports(), { host: this.name, reports }));
        for (const id of operationIds) this.#untold.delete(id);
      } catch {
        await this.#transport.environment.clock.sleep(20);
      }
    }
  }
}
