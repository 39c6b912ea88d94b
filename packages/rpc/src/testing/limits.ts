// What a transport promises when there is more than it can bear. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Busy, createClient, serve, type Transport } from '../index.ts';
import { eventually, type Bench } from './bench.ts';
import { echoContract, echoHandlers, text } from './echo.ts';

const KIB = 1_024;

export function describeLimits(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let topics = 0;
  let topic = '';
  const release = new Set<() => void>();
  /** Handlers wait no longer. */
  let through = false;

  beforeEach(async () => {
    topic = `limits-${++topics}`;
    bench = await open();
    near = await bench.connect('near', 'near-1', { maxHeldBytes: 64 * KIB, connectWaitMs: 200 });
    far = await bench.connect('far', 'far-1');
    through = false;
    const hold = () => new Promise<void>((resolve) => (through ? resolve() : release.add(resolve)));
    await serve(far, echoContract(topic), echoHandlers(release, { echo: (_context, request) => hold().then(() => request) }), {
      graceMs: 0,
    });
  });
  afterEach(async () => {
    bench.restore();
    await bench.close();
    release.clear();
  });

  const client = () => createClient(near, echoContract(topic));
  const large = () => text('x'.repeat(20 * KIB));

  test('a fast client of a slow server is told busy at the limit of bytes, whichever of its clients it is, and goes on when there is room', async () => {
    const held = [client().echo(large()), client().echo(large()), client().echo(large())];
    await eventually(() => release.size === 3);
    await expect(client().echo(large())).rejects.toBeInstanceOf(Busy);
    await expect(client().note(large())).rejects.toMatchObject({ code: 'Busy', details: { limit: 64 * KIB } });
    await client().note(text('a small one'));
    for (const act of release) act();
    await Promise.all(held);
    release.clear();
    const next = client().echo(large());
    await eventually(() => release.size === 1);
    for (const act of release) act();
    await next;
  });

  test('calls and casts that fail give their room back', async () => {
    const giveUp = new AbortController();
    const aborted = client().echo(large(), { signal: giveUp.signal });
    const late = client().echo(large(), { timeoutMs: 50 });
    await Promise.allSettled([late]);
    giveUp.abort(new Error('no longer'));
    await expect(aborted).rejects.toThrow('no longer');
    await expect(client().at('nobody').echo(large())).rejects.toMatchObject({ code: 'Unreachable' });
    await expect(client().at('nobody').note(large())).rejects.toMatchObject({ code: 'Unreachable' });
    bench.cut();
    await eventually(() => !near.connected);
    await expect(client().echo(large())).rejects.toMatchObject({ code: 'Unreachable' });
    await expect(client().note(large())).rejects.toMatchObject({ code: 'Unreachable' });
    bench.restore();
    await eventually(() => near.connected && far.connected);
    through = true;
    await Promise.all([client().echo(large()), client().echo(large()), client().echo(large())]);
  });

  test('a server without a limit of handlers acknowledges too: what it does not finish goes to another', async () => {
    const seen: string[] = [];
    const notes = (name: string, note: () => Promise<void> | void) =>
      echoHandlers(release, { note: (_context, request) => (seen.push(`${name} ${request.text}`), note()) });
    const contract = echoContract(`${topic}-endless`);
    const endless = await serve(
      far,
      contract,
      notes('first', () => new Promise(() => {})),
      {
        concurrency: Number.POSITIVE_INFINITY,
        graceMs: 0,
      },
    );
    await createClient(near, contract).note(text('once'));
    await eventually(() => seen.length === 1);
    await serve(
      await bench.connect('far', 'far-2'),
      contract,
      notes('second', () => undefined),
    );
    await endless.stop();
    await eventually(() => seen.length === 2);
    expect(seen).toEqual(['first once', 'second once']);
    await expect(
      serve(
        far,
        contract,
        notes('third', () => undefined),
        { prefetch: 65_536 },
      ),
    ).rejects.toThrow(`prefetch of ${contract.topic}: expected at most 65535, got 65536`);
  });
}
