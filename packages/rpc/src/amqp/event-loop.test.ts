import { expect, test } from 'vitest';
import { connectAmqp, createClient, serve } from '../index.ts';
import { echoContract, echoHandlers, text } from '../testing/echo.ts';
import { testBroker } from '../testing/proxy.ts';

const HEARTBEAT_SECONDS = 4;

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test('a blocked event loop is reported with its length, and a connection outlives one shorter than its heartbeat', async () => {
  const counted: string[] = [];
  const warned: Record<string, unknown>[] = [];
  const nothing = () => undefined;
  const transport = await connectAmqp({
    url: testBroker(),
    service: 'blocked',
    id: '1',
    namespace: `test-${process.pid}-loop`,
    queues: 'classic',
    heartbeatSeconds: HEARTBEAT_SECONDS,
    loopBlockedMs: 400,
    metrics: { count: (name) => void counted.push(name), duration: nothing },
    log: { debug: nothing, info: nothing, error: nothing, warn: (fields, event) => void warned.push({ ...fields, event }) },
  });
  await serve(transport, echoContract('blocked'), echoHandlers(new Set(), {}));
  const client = createClient(transport, echoContract('blocked'));
  await client.echo(text('before'));
  for (let round = 0; round < 3; round++) {
    const sent = client.echo(text('in between'), { timeoutMs: 20_000 });
    block(HEARTBEAT_SECONDS * 600);
    await sent;
  }
  await expect.poll(() => counted.filter((name) => name === 'blocked_event_loop').length).toBeGreaterThanOrEqual(3);
  expect(warned.filter(({ event }) => event === 'the event loop was blocked')).toContainEqual(expect.objectContaining({ limitMs: 400 }));
  expect(Math.max(...warned.map(({ blockedMs }) => Number(blockedMs ?? 0)))).toBeGreaterThanOrEqual(HEARTBEAT_SECONDS * 600 - 100);
  expect(counted).not.toContain('disconnects');
  expect((await client.echo(text('after'))).text).toBe('after');
  await transport.close();
});
