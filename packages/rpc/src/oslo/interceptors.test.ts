import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, expect, test } from 'vitest';
import {
  Busy,
  connectOslo,
  createOsloClient,
  openTelemetryTracing,
  osloEndpoint,
  serveOslo,
  type Interceptors,
  type OsloContext,
  type OsloServeOptions,
  type OsloTransport,
  type RpcMetrics,
} from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { testBroker } from '../testing/proxy.ts';
import { workContract } from './testing/contract.ts';

const note = { text: 'x' };
const opened: { close(): Promise<void> }[] = [];
let runs = 0;

afterEach(async () => {
  for (const part of opened.splice(0).toReversed()) await part.close();
  for (const part of [trace, propagation, context]) part.disable();
});

async function connectHere(interceptors: Interceptors = {}, metrics?: RpcMetrics): Promise<OsloTransport> {
  const transport = await connectOslo({
    url: testBroker(),
    service: 'test',
    controlExchange: `oslo-around-${process.pid}`,
    interceptors,
    ...(metrics === undefined ? {} : { metrics }),
  });
  opened.push(transport);
  return transport;
}

async function serveHere(
  transport: OsloTransport,
  run: (context: OsloContext) => Promise<string> | string,
  options: Partial<OsloServeOptions> = {},
) {
  const topic = `oslo-around-${process.pid}-${++runs}`;
  const server = await serveOslo(transport, [osloEndpoint(workContract(topic), { run, note: () => undefined })], {
    server: 's-1',
    ...options,
  });
  opened.push({ close: () => server.stop() });
  return topic;
}

test('a trace goes through services that speak as oslo.messaging does, with the right parents', async () => {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  const transport = await connectHere(openTelemetryTracing());
  const end = await serveHere(transport, () => 'done');
  const middle = await serveHere(transport, () => createOsloClient(transport, workContract(end)).run(note));
  expect(await createOsloClient(transport, workContract(middle)).run(note)).toBe('done');
  await eventually(() => exporter.getFinishedSpans().length === 4);
  const spans = [middle, end].flatMap((topic) =>
    [SpanKind.CLIENT, SpanKind.SERVER].map((kind) =>
      exporter.getFinishedSpans().find((span) => span.name === `${topic}/run` && span.kind === kind),
    ),
  );
  expect(spans.map((span) => span?.parentSpanContext?.spanId)).toEqual([
    undefined,
    ...spans.slice(0, 3).map((span) => span?.spanContext().spanId),
  ]);
});

test('without an SDK a trace that came in goes on beside the request id, and interceptors stand on both sides', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const order: string[] = [];
  const seen: unknown[] = [];
  const transport = await connectHere();
  const end = await serveHere(transport, ({ metadata, requestId }) => (seen.push(metadata, requestId), 'done'));
  const middle = await serveHere(transport, (given) => createOsloClient(transport, workContract(end)).run(note, { context: given }), {
    interceptors: [(call, next) => (order.push(`in ${call.kind}`), next())],
  });
  const client = createOsloClient(transport, workContract(middle), {
    interceptors: [(call, next) => (order.push(`out ${call.kind}`), (call.metadata['traceparent'] = traceparent), next())],
  });
  expect(await client.run(note, { context: { requestId: 'req-1', deadline: Date.now() + 20_000 } })).toBe('done');
  expect(seen).toEqual([{ traceparent }, 'req-1']);
  expect(order).toEqual(['out call', 'in call']);
});

test('an interceptor is told the deadline that holds: of the method, before that of its client', async () => {
  const deadlines: number[] = [];
  const transport = await connectHere();
  const topic = await serveHere(transport, () => 'done');
  const { run, note: cast } = workContract(topic).methods;
  const contract = { ...workContract(topic), methods: { run: { ...run, timeoutMs: 5_000 }, note: cast } };
  for (const given of [workContract(topic), contract]) {
    const client = createOsloClient(transport, given, {
      timeoutMs: 20_000,
      interceptors: [(call, next) => (deadlines.push(call.deadline - Date.now()), next())],
    });
    expect(await client.run(note)).toBe('done');
  }
  expect(deadlines.map((ms) => Math.ceil(ms / 5_000) * 5_000)).toEqual([20_000, 5_000]);
});

test('what is in flight and what runs can be seen, and nothing is left of a transport that closed', async () => {
  const sources = new Map<string, () => number>();
  const metrics: RpcMetrics = {
    count: () => undefined,
    duration: () => undefined,
    observe: (gauge, _labels, read) => {
      sources.set(gauge, read);
      return () => sources.delete(gauge);
    },
  };
  const transport = await connectHere({}, metrics);
  let release: (() => void) | undefined;
  const topic = await serveHere(transport, () => new Promise<string>((resolve) => (release = () => resolve('done'))));
  const call = createOsloClient(transport, workContract(topic)).run(note);
  await eventually(() => release !== undefined);
  expect(sources.get('calls_in_flight')?.()).toBe(1);
  expect(sources.get('handlers_running')?.()).toBe(1);
  release?.();
  await call;
  expect(sources.get('calls_in_flight')?.()).toBe(0);
  await transport.close();
  expect([...sources.keys()]).toEqual([]);
});

test('a server interceptor refuses under the code of its error', async () => {
  let handled = 0;
  const transport = await connectHere();
  const topic = await serveHere(transport, () => (handled++, 'done'), {
    interceptors: [() => Promise.reject(new Busy('closed for today'))],
  });
  await expect(createOsloClient(transport, workContract(topic)).run(note)).rejects.toThrow('closed for today');
  expect(handled).toBe(0);
});
