// What breaks a whole broker, so these tests have one of their own.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installedRabbitmq, PrivateBroker } from '../../../../tests/support/services/private-broker.ts';
import { Busy, connectAmqp, ConnectionLost, createClient, RpcError, serve, type AmqpOptions, type Handlers } from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { count, echoContract, echoHandlers, text, type EchoContract } from '../testing/echo.ts';

const contract = echoContract('faults');
let runs = 0;

describe.skipIf(installedRabbitmq() === undefined)('with a RabbitMQ of its own (skipped where none is installed)', () => {
  let broker: PrivateBroker;
  let dir = '';
  const release = new Set<() => void>();

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'kilonova-rpc-faults-'));
    broker = await PrivateBroker.start(dir);
  }, 120_000);
  afterAll(async () => {
    await broker.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  async function pair(options: Pick<AmqpOptions, 'queues'> & Partial<AmqpOptions>, over: Partial<Handlers<EchoContract>>) {
    const settings = { url: broker.url, id: '1', namespace: `faults-${++runs}`, retryBaseMs: 10, retryCapMs: 100, ...options };
    const far = await connectAmqp({ ...settings, service: 'far' });
    const near = await connectAmqp({ ...settings, service: 'near' });
    await serve(far, contract, echoHandlers(release, over));
    return { near, client: createClient(near, contract), close: () => Promise.all([far.close(), near.close()]) };
  }

  test(
    'over 100 forced closes every call settles before its deadline and every confirmed cast is handled',
    { timeout: 120_000 },
    async () => {
      const handled = new Set<string>();
      const { client, close } = await pair(
        { queues: 'quorum' },
        { note: (_context, request) => void handled.add(request.text), repeatable: () => count(1) },
      );
      let running = true;
      const outcomes = new Map<string, number>();
      const confirmed: string[] = [];
      const tally = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      const loop = async (act: () => Promise<unknown>) => {
        while (running) {
          try {
            await act();
            tally('answered');
          } catch (error) {
            tally(error instanceof RpcError ? error.code : String(error));
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        }
      };
      let casts = 0;
      const note = async () => {
        const id = String(casts++);
        await client.note(text(id));
        confirmed.push(id);
      };
      const timeoutMs = 30_000;
      const loops = Promise.all([
        ...Array.from({ length: 4 }, () => loop(() => client.echo(text('?'), { timeoutMs }))),
        ...Array.from({ length: 4 }, () => loop(() => client.repeatable({ ms: 1 }, { timeoutMs }))),
        ...Array.from({ length: 4 }, () => loop(note)),
      ]);
      const closes = await broker.ctl([
        'eval',
        `F = fun F(N, Rounds) when N >= 100; Rounds =:= 0 -> N;
             F(N, Rounds) -> Open = rabbit_networking:connections(),
               [rabbit_networking:close_connection(P, "forced") || P <- Open], timer:sleep(60), F(N + length(Open), Rounds - 1) end,
       F(0, 600).`,
      ]);
      expect(Number(closes)).toBeGreaterThanOrEqual(100);
      running = false;
      await loops;
      expect(outcomes.get('answered')).toBeGreaterThan(0);
      expect([...outcomes.keys()].filter((outcome) => !['answered', 'ConnectionLost', 'Unreachable'].includes(outcome))).toEqual([]);
      await eventually(() => confirmed.every((id) => handled.has(id)), 20_000);
      await close();
    },
  );

  test(
    'when the broker dies calls fail at once, and repeatable ones are answered within a second of its return',
    { timeout: 120_000 },
    async () => {
      let through = false;
      const { client, close } = await pair(
        { queues: 'classic' },
        { repeatable: () => (through ? count(2) : new Promise(() => undefined)) },
      );
      const lost = client.hang({ ms: 1 }, { timeoutMs: 60_000 }).catch((error: unknown) => ({ error, at: performance.now() }));
      const repeated = client.repeatable({ ms: 1 }, { timeoutMs: 60_000 }).then((answer) => ({ answer, at: performance.now() }));
      await eventually(() => release.size === 1);
      through = true;
      await broker.kill();
      const killedAt = performance.now();
      const { error, at } = (await lost) as { error: unknown; at: number };
      expect(error).toBeInstanceOf(ConnectionLost);
      expect(at - killedAt).toBeLessThan(1_000);
      await broker.start();
      const backAt = performance.now();
      const { answer, at: answeredAt } = await repeated;
      expect(answer.count).toBe(2);
      expect(answeredAt - backAt).toBeLessThan(1_000);
      await close();
    },
  );

  test('one of many that lost the broker together comes back at its moment of the time that they have', { timeout: 60_000 }, async () => {
    const spreadMs = 2_000;
    const random = { next: () => 0.9, uuid: () => randomUUID() };
    const near = await connectAmqp({
      url: broker.url,
      service: 'many',
      id: '1',
      queues: 'classic',
      retryBaseMs: 10,
      retryCapMs: 10,
      random,
    });
    near.returnWithin(spreadMs);
    const turns: { readonly connected: boolean; readonly at: number }[] = [];
    near.onChange((connected) => turns.push({ connected, at: performance.now() }));
    await broker.ctl(['close_all_connections', 'one of many']);
    await eventually(() => turns.length === 2, 20_000);
    expect(turns.map(({ connected }) => connected)).toEqual([false, true]);
    expect(turns[1]!.at - turns[0]!.at).toBeGreaterThanOrEqual(0.9 * spreadMs - 1);
    await near.close();
  });

  test(
    'while the broker blocks, messages wait in bounded time and fail as busy; afterwards work goes on',
    { timeout: 60_000 },
    async () => {
      const { near, client, close } = await pair({ queues: 'classic', connectWaitMs: 300 }, {});
      await client.echo(text('warm'));
      await broker.ctl(['set_vm_memory_high_watermark', '0.0000001']);
      const first = client.echo(text('the broker tells when something is sent'), { timeoutMs: 60_000 });
      await eventually(() => near.blocked !== undefined);
      expect(near.connected).toBe(true);
      const start = performance.now();
      await expect(client.echo(text('?'))).rejects.toBeInstanceOf(Busy);
      await expect(client.note(text('?'))).rejects.toBeInstanceOf(Busy);
      expect(performance.now() - start).toBeLessThan(3_000);
      await broker.ctl(['set_vm_memory_high_watermark', '0.4']);
      await eventually(() => near.blocked === undefined);
      await first;
      await client.note(text('!'));
      expect(await client.echo(text('again'))).toMatchObject({ text: 'again' });
      await close();
    },
  );
});
