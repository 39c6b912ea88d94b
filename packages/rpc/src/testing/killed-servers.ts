// What callers see of a server process that is killed, or held up. Run with a broker that nobody else uses.
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectAmqp, ConnectionLost, createClient, serve, type Transport } from '../index.ts';
import { eventually } from './bench.ts';
import { noteTime } from './fault-times.ts';
import { footprint, nothingLeft, type Footprint, type Inspectable } from './footprint.ts';
import { victimContract } from './victim-contract.ts';

const BEAT_MS = 300;
let runs = 0;

export function describeKilledServers(place: () => Inspectable & { readonly url: string }): void {
  let namespace = '';
  let dir = '';
  let near: Transport;
  let before: Footprint;
  const victims: ChildProcess[] = [];
  const opened: Transport[] = [];

  beforeEach(async () => {
    namespace = `killed-${++runs}`;
    dir = mkdtempSync(join(tmpdir(), 'kilonova-rpc-victim-'));
    writeFileSync(join(dir, 'effects'), '');
    near = await connect('near', 'near-1');
    before = await footprint(place());
  });
  afterEach(async () => {
    for (const child of victims.splice(0)) child.kill('SIGKILL');
    const [, ...heirs] = opened.splice(0);
    for (const transport of heirs) await transport.close();
    await nothingLeft(place(), before);
    await near.close();
    rmSync(dir, { recursive: true, force: true });
  });

  async function connect(service: string, id: string): Promise<Transport> {
    const transport = await connectAmqp({ url: place().url, namespace, service, id, queues: 'classic', beatMs: BEAT_MS });
    opened.push(transport);
    return transport;
  }
  const client = () => createClient(near, victimContract);
  const effects = () => readFileSync(join(dir, 'effects'), 'utf8').trim().split('\n');

  async function victim(): Promise<ChildProcess> {
    const child = fork(join(import.meta.dirname, 'victim.ts'), [place().url, namespace, 'victim-1', join(dir, 'effects')], {
      execArgv: [],
    });
    victims.push(child);
    await new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (code) => reject(new Error(`the server process ended with ${code}`)));
    });
    return child;
  }
  async function heir(): Promise<void> {
    const answer = (_context: unknown, word: string) => `${word} by heir`;
    await serve(await connect('heir', 'heir-1'), victimContract, { work: answer, again: answer, note: () => undefined });
  }

  test('a server killed before and during the handler: another one does the work, and the caller gets its answer', async () => {
    const child = await victim();
    const calls = [client().work('stay'), client().work('wait'), client().again('wait too')];
    await eventually(() => effects().includes('stay'));
    await heir();
    const start = performance.now();
    child.kill('SIGKILL');
    expect(await Promise.all(calls)).toEqual(['stay by heir', 'wait by heir', 'wait too by heir']);
    noteTime('a server is killed before or during the handler, another one is there: answered', performance.now() - start);
    expect(effects()).toEqual(['stay']);
  });

  test('a server killed after the effect and before the answer: the handler of another runs again, and the caller gets its answer', async () => {
    await victim();
    const blocking = client().work('block 500');
    await eventually(() => effects().includes('block 500'));
    const call = client().work('die');
    await heir();
    const start = performance.now();
    expect(await call).toBe('die by heir');
    noteTime('a server is killed after the effect, before the answer, another one is there: answered', performance.now() - start);
    expect(effects()).toEqual(['block 500', 'die']);
    expect(await blocking).toMatch(/^block 500 by/); // its answer may have died with the server, too
  });

  test('the only server is killed: a call ends after two beats, a repeatable one is answered by the next server', async () => {
    const child = await victim();
    const lost = client()
      .work('stay', { timeoutMs: 60_000 })
      .catch((error: unknown) => error);
    await eventually(() => effects().includes('stay'));
    const repeated = client().again('wait', { timeoutMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, BEAT_MS)); // both have been told that their server lives
    const start = performance.now();
    child.kill('SIGKILL');
    expect(await lost).toBeInstanceOf(ConnectionLost);
    noteTime(`the only server is killed during the handler, beats of ${BEAT_MS} ms: ConnectionLost`, performance.now() - start);
    await expect(client().work('?')).rejects.toMatchObject({ code: 'Unreachable' });
    await heir();
    expect(await repeated).toBe('wait by heir');
  });

  test('a server whose event loop is held up answers late, and nobody sees an error', async () => {
    await victim();
    const words = ['block 400', 'one', 'two'];
    expect(await Promise.all(words.map((word) => client().work(word, { timeoutMs: 60_000 })))).toEqual(
      words.map((word) => `${word} by victim-1`),
    );
  });

  test('a caller whose own event loop is held up over deadline and beats still hears the answers that came meanwhile', async () => {
    await victim();
    const long = client().again('block 100', { timeoutMs: 60_000 });
    const short = client().work('soon', { timeoutMs: 600 });
    const held = client().work('stay', { timeoutMs: 3 * BEAT_MS + 1_500 });
    await new Promise((resolve) => setTimeout(resolve, 20)); // they have left
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * BEAT_MS);
    expect(await long).toBe('block 100 by victim-1');
    expect(await short).toBe('soon by victim-1');
    await expect(held).rejects.toMatchObject({ code: 'DeadlineExceeded' }); // and not silence, for it beats
  });
}
