// What a transport promises of servers that compete for work, and of answers that nobody takes. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createClient, serve, type Transport } from '../index.ts';
import { eventually, tally, type Bench } from './bench.ts';
import { echoContract, echoHandlers, text } from './echo.ts';

const WORK = 200;

export function describeSharing(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let topics = 0;
  let topic = '';
  const release = new Set<() => void>();

  beforeEach(async () => {
    topic = `shared-${++topics}`;
    bench = await open();
    near = await bench.connect('near', 'near-1');
  });
  afterEach(async () => {
    for (const act of release) act();
    release.clear();
    await bench.close();
  });

  /** A server that works so long on each message, two at a time, and gets no more than it can soon work on. */
  const worker = async (id: string, ms: number) => {
    const done = { count: 0 };
    const note = async () => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      done.count++;
    };
    await serve(await bench.connect('far', id), echoContract(topic), echoHandlers(release, { note }), { concurrency: 2, prefetch: 4 });
    return done;
  };
  const work = () =>
    Promise.all(Array.from({ length: WORK }, (_, index) => createClient(near, echoContract(topic)).note(text(String(index)))));

  test('servers of the same speed take equal shares', async () => {
    const [one, other] = await Promise.all([worker('far-1', 3), worker('far-2', 3)]);
    await work();
    await eventually(() => one.count + other.count === WORK, 20_000);
    expect(Math.min(one.count, other.count)).toBeGreaterThan(WORK / 4);
  });

  test('a slow server takes less, and holds up nobody', async () => {
    const [fast, slow] = await Promise.all([worker('far-1', 1), worker('far-2', 100)]);
    await work();
    await eventually(() => fast.count + slow.count === WORK, 20_000);
    expect(slow.count).toBeLessThan(WORK / 4);
    expect(slow.count).toBeGreaterThan(0);
  });

  test('an answer whose caller is gone is dropped and counted, and its server goes on', async () => {
    const metrics = tally();
    const far = await bench.connect('far', 'far-1', { metrics });
    await serve(far, echoContract(topic), echoHandlers(release, {}));
    const leaving = await bench.connect('near', 'near-2');
    const waiting = createClient(leaving, echoContract(topic)).hang({ ms: 1 });
    waiting.catch(() => undefined);
    await eventually(() => release.size === 1);
    await leaving.close();
    await new Promise((resolve) => setTimeout(resolve, bench.noticeMs));
    for (const act of release) act();
    if (bench.repliesVanish) await eventually(() => metrics.counted('unroutable_replies') === 1);
    expect(await createClient(near, echoContract(topic)).echo(text('alive'))).toEqual(text('alive'));
  });
}
