// What a transport promises of that which is begun or ended without a connection. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createClient, serve, type Transport } from '../index.ts';
import { eventually, type Bench } from './bench.ts';
import { echoContract, echoHandlers, text } from './echo.ts';

export function describeOutages(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let topics = 0;
  let topic = '';

  beforeEach(async () => {
    topic = `outage-${++topics}`;
    bench = await open();
    [near, far] = await Promise.all([bench.connect('near', 'near-1'), bench.connect('far', 'far-1')]);
  });
  afterEach(async () => {
    bench.restore();
    await bench.close();
  });
  const mend = async () => {
    bench.restore();
    await eventually(() => near.connected && far.connected);
  };

  test('a server that is begun without a connection is there with the next one, until it is stopped', async () => {
    bench.cut();
    await eventually(() => !far.connected);
    const server = await serve(far, echoContract(topic), echoHandlers(new Set(), {}));
    await mend();
    const client = createClient(near, echoContract(topic));
    expect(await client.echo(text('there'))).toEqual(text('there'));
    await server.stop();
    await new Promise((resolve) => setTimeout(resolve, bench.noticeMs));
    await expect(client.echo(text('gone'))).rejects.toMatchObject({ code: 'Unreachable' });
  });

  test('a server that is stopped without a connection does not come with the next one', async () => {
    const server = await serve(far, echoContract(topic), echoHandlers(new Set(), {}));
    bench.cut();
    await eventually(() => !far.connected);
    await server.stop();
    await mend();
    await expect(createClient(near, echoContract(topic)).echo(text('gone'))).rejects.toMatchObject({ code: 'Unreachable' });
  });

  test('when its transport is closed a call ends at once, whether it may be repeated or not', async () => {
    const release = new Set<() => void>();
    await serve(far, echoContract(topic), echoHandlers(release, { repeatable: () => new Promise(() => release.add(() => {})) }));
    const client = createClient(near, echoContract(topic));
    const lost = [client.hang({ ms: 1 }), client.repeatable({ ms: 1 })].map((call) =>
      expect(call).rejects.toMatchObject({ code: 'ConnectionLost' }),
    );
    await eventually(() => release.size === 2);
    await near.close();
    await Promise.all(lost);
  });
}
