import { conductorContract, ListServices, Scope, ServiceRef, type Service } from '@kilonova/objects';
import { createClient, type Transport } from '@kilonova/rpc';
import { createMetrics, silentLogger, type RunningService } from '@kilonova/runtime';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spread, type Bench } from '../measure/bench.ts';
import type { ErrorTally } from '../measure/errors.ts';
import { startSimulatedAgent } from './agent.ts';
import type { BrokerTarget } from './target.ts';

interface Member {
  readonly transport: Transport;
  readonly agent: RunningService;
  /** Monotonic milliseconds; of the last time. */
  lostAt: number | undefined;
  foundAt: number | undefined;
}

const LOOK_MS = 200;
const STOPPING_AT_ONCE = 256;

/** Agents with a connection each, and what the conductor knows of them. */
export class Fleet {
  readonly #members: Member[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'kilonova-agents-'));
  readonly #bench: Bench;
  readonly #target: BrokerTarget;
  readonly #prefix: string;

  constructor(bench: Bench, target: BrokerTarget) {
    this.#bench = bench;
    this.#target = target;
    this.#prefix = `bench-${bench.random.text(6).toLowerCase()}`;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Settles when every agent is registered, or the signal is aborted. */
  async start(
    { agents, atOnce, heartbeatMs }: { readonly agents: number; readonly atOnce: number; readonly heartbeatMs: number },
    through: (url: string) => string,
    errors: ErrorTally,
  ): Promise<void> {
    const { clock, random, signal } = this.#bench;
    const metrics = createMetrics('bench', { ofProcess: false });
    await spread(agents, atOnce, signal, async (index) => {
      const host = `${this.#prefix}-${index + 1}`;
      try {
        const transport = await this.#target.connectHost(host, through);
        const agent = await startSimulatedAgent({
          ...{ clock, random, log: silentLogger, metrics, host, transport, heartbeatMs },
          folder: this.#folder,
          trustedCallers: this.#target.trustedCallers,
        });
        const member: Member = { transport, agent, lostAt: undefined, foundAt: undefined };
        transport.onChange((connected) => (member[connected ? 'foundAt' : 'lostAt'] = clock.monotonic()));
        this.#members.push(member);
      } catch (error) {
        errors.add(error);
      }
    });
    await this.#untilRegistered(Number.NEGATIVE_INFINITY, 'agents registered');
  }

  /** How many have lost their connection since `moment`. */
  lostSince(moment: number): number {
    return this.#members.filter(({ lostAt }) => lostAt !== undefined && lostAt >= moment).length;
  }

  /** Settles when one has lost its connection since `moment`; false when the signal came first. */
  async untilLost(moment: number): Promise<boolean> {
    return this.#until(async () => this.lostSince(moment) > 0);
  }

  /** Settles when all are connected and registered anew since `moment`. @returns when the first connection was back */
  async untilBack(moment: number): Promise<{ readonly whole: boolean; readonly firstBackAt: number }> {
    const whole = await this.#untilRegistered(moment, 'agents back');
    const times = this.#members.flatMap(({ foundAt }) => (foundAt !== undefined && foundAt >= moment ? [foundAt] : []));
    return { whole, firstBackAt: times.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY) };
  }

  /** Ends every agent, and has the conductor forget the hosts. */
  async stop(errors: ErrorTally): Promise<void> {
    const unbounded = new AbortController().signal;
    const members = this.#members.splice(0);
    await spread(members.length, STOPPING_AT_ONCE, unbounded, async (index) => {
      const { agent, transport } = members[index]!;
      await agent.stop().catch((error: unknown) => errors.add(error));
      await transport.close().catch(() => undefined);
      this.#bench.progress.at(index + 1, members.length, 'agents ended');
    });
    rmSync(this.#folder, { recursive: true, force: true });
    if (members.length > 0) await this.#forgetHosts().catch((error: unknown) => errors.add(error));
  }

  async #forgetHosts(): Promise<void> {
    const transport = await this.#target.connectTrusted();
    try {
      const conductor = createClient(transport, conductorContract);
      const scope = Object.assign(new Scope(), {
        ...{ userId: 'kilonova', projectId: 'kilonova', allProjects: true, admin: true },
        requestId: `req-${this.#bench.random.uuid()}`,
      });
      const ours: Service[] = [];
      for await (const piece of conductor.listServices(Object.assign(new ListServices(), { scope, binary: 'nova-compute' })))
        ours.push(...piece.filter(({ host }) => host.startsWith(`${this.#prefix}-`)));
      await spread(ours.length, 8, new AbortController().signal, async (index) => {
        await conductor.deleteService(Object.assign(new ServiceRef(), { scope, id: ours[index]!.id }));
        this.#bench.progress.at(index + 1, ours.length, 'hosts forgotten');
      });
    } finally {
      await transport.close();
    }
  }

  /** All of them at the same time; those that were seen to be are looked at again in the end only: there are many. */
  async #untilRegistered(since: number, what: string): Promise<boolean> {
    const all = this.#members;
    let left: readonly Member[] = all;
    return this.#until(async () => {
      left = await missing(left, since);
      this.#bench.progress.at(all.length - left.length, all.length, what);
      if (left.length === 0) left = await missing(all, since);
      return left.length === 0;
    });
  }

  async #until(holds: () => Promise<boolean>): Promise<boolean> {
    const { clock, signal } = this.#bench;
    while (!signal.aborted) {
      if (await holds()) return true;
      await clock.sleep(LOOK_MS, signal).catch(() => undefined);
    }
    return false;
  }
}

/** Those that are not connected, since that moment, and registered. */
async function missing(members: readonly Member[], since: number): Promise<readonly Member[]> {
  const left: Member[] = [];
  for (const member of members) {
    const { agent, transport, foundAt = Number.NEGATIVE_INFINITY } = member;
    if (foundAt < since || !transport.connected || !(await agent.health()).ok) left.push(member);
  }
  return left;
}
