// The loss of a node in a real cluster of three. It takes half a minute, most of it the start of the nodes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installedRabbitmq, type PrivateBroker } from '../../../../tests/support/services/private-broker.ts';
import { PrivateCluster } from '../../../../tests/support/services/private-cluster.ts';
import { systemRandom } from '../environment.ts';
import { connectAmqp, createClient, RpcError, serve, type Transport } from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { count, echoContract, echoHandlers, text } from '../testing/echo.ts';
import { noteTime } from '../testing/fault-times.ts';
import { Topology } from './topology.ts';

const contract = echoContract('clustered');
const NAMESPACE = 'nodes';
/** The goal is a second; a loaded machine gets more. */
const GAP_MS = 5_000;

describe.skipIf(installedRabbitmq() === undefined)('in a RabbitMQ cluster of three nodes (skipped where RabbitMQ is not installed)', () => {
  let cluster: PrivateCluster;
  let dir = '';
  const opened: Transport[] = [];

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'kilonova-rpc-cluster-'));
    cluster = await PrivateCluster.start(dir);
  }, 180_000);
  afterAll(async () => {
    for (const transport of opened) await transport.close();
    await cluster?.stop();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  async function connect(service: string, id: string, urls: readonly string[]): Promise<Transport> {
    let asked = 0;
    // The first number chooses the address to begin with.
    const random = { ...systemRandom, next: () => (asked++ === 0 ? 0 : systemRandom.next()) };
    const retry = { retryBaseMs: 20, retryCapMs: 200 };
    const transport = await connectAmqp({ urls, service, id, namespace: NAMESPACE, queues: 'quorum', ...retry, random });
    opened.push(transport);
    return transport;
  }

  /** What goes on all the time while a node is lost. */
  function load(near: Transport, handled: ReadonlySet<string>) {
    const client = createClient(near, contract);
    let running = true;
    const errors: string[] = [];
    const confirmed: string[] = [];
    let answered = 0;
    let lastAt = performance.now();
    let gapMs = 0;
    const loop = async (act: () => Promise<unknown>, may: readonly string[]) => {
      while (running) {
        try {
          await act();
          answered++;
          const now = performance.now();
          gapMs = Math.max(gapMs, now - lastAt);
          lastAt = now;
        } catch (error) {
          const code = error instanceof RpcError ? error.code : String(error);
          if (!may.includes(code)) errors.push(code);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
    };
    let casts = 0;
    const note = async () => {
      const id = `${casts++}`;
      await client.note(text(id));
      confirmed.push(id);
    };
    const loops = Promise.all([
      ...Array.from({ length: 4 }, () => loop(() => client.repeatable({ ms: 1 }, { timeoutMs: 20_000 }), [])),
      ...Array.from({ length: 4 }, () => loop(note, ['ConnectionLost', 'Unreachable', 'Busy'])),
    ]);
    return {
      /** The longest time without anything done since the last question. */
      gap() {
        const longest = gapMs;
        gapMs = 0;
        return longest;
      },
      get answered() {
        return answered;
      },
      async stop() {
        running = false;
        await loops;
        await eventually(() => confirmed.every((id) => handled.has(id)), 20_000);
        return { errors, confirmed: confirmed.length };
      },
    };
  }

  const leads = async (node: PrivateBroker, queue: string): Promise<boolean> => {
    const leader = await node.ctl([
      'eval',
      `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)), {_, Node} = amqqueue:get_pid(Q), Node.`,
    ]);
    return leader.includes(node.node);
  };

  test(
    'the loss of the node a process sits on, and then of the one that leads its queue, is a short gap and loses nothing',
    { timeout: 120_000 },
    async () => {
      const [first, second] = cluster.nodes as [PrivateBroker, PrivateBroker, PrivateBroker];
      const [one, two, three] = cluster.urls as [string, string, string];
      const handled = new Set<string>();
      const handlers = echoHandlers(new Set(), { repeatable: () => count(1), note: (_context, { text: id }) => void handled.add(id) });
      // The queue is led by the node of the server that declares it first.
      await serve(await connect('far', '1', [two, three, one]), contract, handlers);
      await serve(await connect('far', '2', [three, one, two]), contract, handlers);
      const near = await connect('near', '1', [one, three, two]);
      const queue = new Topology(NAMESPACE, 'quorum').queue(
        { kind: 'topic', exchange: contract.exchange, topic: contract.topic },
        'far',
        '1',
      );
      expect(await leads(second, queue.name)).toBe(true);
      const work = load(near, handled);
      await eventually(() => work.answered > 50, 20_000);
      work.gap();

      let losses = 0;
      near.onChange((connected) => void (losses += connected ? 0 : 1));
      await first.kill();
      await eventually(() => losses === 1);
      await eventually(() => near.connected, 20_000);
      const before = work.answered;
      await eventually(() => work.answered > before + 50, 20_000);
      const ofOwnNode = work.gap();

      await first.start();
      await cluster.whole();
      work.gap();
      await second.kill();
      const at = work.answered;
      await eventually(() => work.answered > at + 200, 20_000);
      const ofLeader = work.gap();

      const { errors, confirmed } = await work.stop();
      noteTime('cluster: the node of a process is lost (longest time without an answer)', ofOwnNode);
      noteTime('cluster: the node that leads the queue is lost (longest time without an answer)', ofLeader);
      expect(errors).toEqual([]);
      expect(confirmed).toBeGreaterThan(100);
      expect(ofOwnNode).toBeLessThan(GAP_MS);
      expect(ofLeader).toBeLessThan(GAP_MS);
    },
  );
});
