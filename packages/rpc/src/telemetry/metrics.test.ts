import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createClient, openTelemetryMetrics, serve, type Transport } from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { bothTransports } from '../testing/both-transports.ts';
import { echoContract, echoHandlers, text } from '../testing/echo.ts';

describe.each(bothTransports)('metrics $name', ({ open }) => {
  let exporter: InMemoryMetricExporter;
  let provider: MeterProvider;
  let near: Transport;
  let far: Transport;
  const release = new Set<() => void>();

  beforeEach(async () => {
    exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] });
    const metrics = openTelemetryMetrics(provider.getMeter('test'));
    const connect = open();
    [near, far] = await Promise.all([connect('near', '1', { metrics }), connect('far', '1', { metrics })]);
  });
  afterEach(async () => {
    for (const act of release) act();
    release.clear();
    await Promise.all([near.close(), far.close()]);
    await provider.shutdown();
  });

  /** What the SDK collects now: per metric its values (of histograms the counts), by their attributes. */
  const collect = async () => {
    exporter.reset();
    await provider.forceFlush();
    const found: Record<string, Record<string, number>> = {};
    for (const { descriptor, dataPoints } of exporter.getMetrics().at(-1)?.scopeMetrics[0]?.metrics ?? []) {
      found[descriptor.name] = Object.fromEntries(
        dataPoints.map(({ attributes, value }) => [
          Object.values(attributes).join(' '),
          typeof value === 'number' ? value : (value as { count: number }).count,
        ]),
      );
    }
    return found;
  };

  test('calls, their durations and their failures are counted on both sides, under topic, method and code', async () => {
    await serve(far, echoContract('work', '1.1'), echoHandlers(release, {}));
    const client = createClient(near, echoContract('work', '1.1'));
    await client.echo(text('1'));
    await client.echo(text('2'));
    await expect(client.fail(text('service'))).rejects.toMatchObject({ code: 'no_room' });
    await expect(createClient(near, echoContract('work', '1.2')).echo(text('newer'))).rejects.toMatchObject({ code: 'UnsupportedVersion' });
    await client.note(text('cast'));
    await expect.poll(async () => (await collect())['kilonova.rpc.handled']?.['work note']).toBe(1);
    const found = await collect();
    expect(found).toMatchObject({
      'kilonova.rpc.calls': { 'work echo': 3, 'work fail': 1 },
      'kilonova.rpc.call_failures': { 'work fail no_room': 1, 'work echo UnsupportedVersion': 1 },
      'kilonova.rpc.casts': { 'work note': 1 },
      'kilonova.rpc.handled': { 'work echo': 2, 'work fail': 1 },
      'kilonova.rpc.handler_errors': { 'work fail no_room': 1 },
      'kilonova.rpc.refused': { 'work echo UnsupportedVersion': 1 },
      'rpc.client.call.duration': { 'kilonova work/echo': 2 },
      'rpc.server.call.duration': { 'kilonova work/echo': 2, 'kilonova work/fail': 1 },
    });
  });

  test('what is in flight, waits or runs can be seen while it does, and nothing is left of a transport that closed', async () => {
    const server = await serve(far, echoContract('busy'), echoHandlers(release, {}), { concurrency: 1, graceMs: 0 });
    const client = createClient(near, echoContract('busy'));
    const calls = [client.hang({ ms: 1 }), client.hang({ ms: 1 }), client.hang({ ms: 1 })];
    await expect.poll(async () => (await collect())['kilonova.rpc.requests_waiting']?.['busy']).toBe(2);
    expect(await collect()).toMatchObject({
      'kilonova.rpc.connected': { '': 2 },
      'kilonova.rpc.calls_in_flight': { '': 3 },
      'kilonova.rpc.calls_waiting': { '': 0 },
      'kilonova.rpc.handlers_running': { busy: 1 },
      'kilonova.rpc.handlers_limit': { busy: 1 + 8 },
      'kilonova.rpc.requests_waiting_limit': { busy: 256 + 64 },
    });
    let over = false;
    const done = Promise.all(calls).finally(() => (over = true));
    await eventually(() => {
      for (const act of release) act();
      return over;
    });
    await done;
    expect((await collect())['kilonova.rpc.calls_in_flight']).toEqual({ '': 0 });
    await server.stop();
    await Promise.all([near.close(), far.close()]);
    expect(await collect()).toMatchObject({ 'kilonova.rpc.handlers_running': { busy: 0 }, 'kilonova.rpc.connected': { '': 0 } });
  });
});
