import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider, type ReadableSpan } from '@opentelemetry/sdk-trace';
import { afterEach, describe, expect, test } from 'vitest';
import {
  consumeEvents,
  createClient,
  createPublisher,
  drainOutbox,
  openTelemetryTracing,
  serve,
  type Context,
  type OutboxEntry,
  type Transport,
} from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { bothTransports } from '../testing/both-transports.ts';
import { count, echoContract, echoHandlers, text } from '../testing/echo.ts';
import { change, events } from '../testing/things.ts';

const exporter = new InMemorySpanExporter();

/** What an application does that wants traces. */
function startSdk({ manager = true } = {}): void {
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  if (manager) context.setGlobalContextManager(new AsyncLocalStorageContextManager());
}

const spans = () => exporter.getFinishedSpans();
const named = (name: string, kind: SpanKind) => spans().find((span) => span.name === name && span.kind === kind) as ReadableSpan;
const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId;

describe.each(bothTransports)('tracing $name', ({ open }) => {
  const opened: Transport[] = [];
  const connectAll = async () => {
    const connect = open();
    const interceptors = openTelemetryTracing();
    const all = await Promise.all(['api', 'conductor', 'scheduler'].map((service) => connect(service, '1', { interceptors })));
    opened.push(...all);
    return all as [Transport, Transport, Transport];
  };
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((transport) => transport.close()));
    for (const part of [trace, propagation, context]) part.disable();
    exporter.reset();
  });

  test.each([
    { title: 'the active span', manager: true, options: () => ({}) },
    { title: 'the context that a call names', manager: false, options: (given: Context) => ({ context: given }) },
  ])('three services in a row give one trace, each span the child of the one before, by $title', async ({ manager, options }) => {
    startSdk({ manager });
    const [api, conductor, scheduler] = await connectAll();
    const last: string[] = [];
    await serve(
      conductor,
      echoContract('middle'),
      echoHandlers(new Set(), {
        async echo(given, request) {
          await createClient(conductor, echoContract('end')).note(text('cast'), options(given));
          for await (const items of createClient(conductor, echoContract('end')).list(count(1), options(given)))
            expect(items).toHaveLength(1);
          return request;
        },
      }),
    );
    await serve(scheduler, echoContract('end'), echoHandlers(new Set(), { note: (_given, request) => void last.push(request.text) }));
    const root = trace.getTracer('test').startSpan('request');
    const within = trace.setSpan(context.active(), root);
    const traceparent = { traceparent: `00-${root.spanContext().traceId}-${root.spanContext().spanId}-01` };
    await context.with(within, () =>
      createClient(api, echoContract('middle')).echo(text('!'), { requestId: 'req-1', ...(manager ? {} : { metadata: traceparent }) }),
    );
    root.end();
    await eventually(() => last.length === 1 && spans().length === 7);

    expect(new Set(spans().map((span) => span.spanContext().traceId))).toEqual(new Set([root.spanContext().traceId]));
    const steps = [
      named('middle/echo', SpanKind.CLIENT),
      named('middle/echo', SpanKind.SERVER),
      named('send end/note', SpanKind.PRODUCER),
      named('process end/note', SpanKind.CONSUMER),
    ];
    expect(steps.map((span) => span.parentSpanContext?.spanId)).toEqual([root.spanContext().spanId, ...steps.slice(0, 3).map(idOf)]);
    expect(named('end/list', SpanKind.CLIENT).parentSpanContext?.spanId).toBe(idOf(steps[1]));
    expect(named('end/list', SpanKind.SERVER).parentSpanContext?.spanId).toBe(idOf(named('end/list', SpanKind.CLIENT)));
    expect(steps[1]?.attributes).toMatchObject({ 'rpc.method': 'middle/echo', 'kilonova.rpc.request_id': 'req-1' });
    expect(steps[3]?.attributes).toMatchObject({ 'messaging.destination.name': 'end', 'messaging.operation.type': 'process' });
  });

  test('an event and its handling are one trace, also through an outbox', async () => {
    startSdk();
    const [api, conductor] = await connectAll();
    const seen: string[] = [];
    await consumeEvents(conductor, events, { 'thing.changed': (_context, { name }) => void seen.push(name) }, { group: 'audit' });
    const publisher = createPublisher(api, events);
    const root = trace.getTracer('test').startSpan('request');
    const rows: OutboxEntry[] = [];
    const append = async (into: OutboxEntry[], entry: OutboxEntry) => void into.push(entry);
    await context.with(trace.setSpan(context.active(), root), async () => {
      await publisher.publish('thing.changed', change('direct'));
      await publisher.stage({ append }, rows, 'thing.changed', change('staged'));
    });
    const drain = drainOutbox(api, { claim: async () => rows.splice(0), done: async () => undefined });
    await eventually(() => seen.length === 2 && spans().length === 4);
    await drain.stop();
    const [published, handled] = [SpanKind.PRODUCER, SpanKind.CONSUMER].map((kind) => spans().filter((span) => span.kind === kind));
    expect(published?.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(
      [root, root].map((span) => span.spanContext().spanId),
    );
    expect(handled?.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(published?.map(idOf));
    expect(handled?.[0]).toMatchObject({ name: 'process things/thing.changed', attributes: { 'messaging.destination.name': 'things' } });
  });

  test('errors are recorded on both sides, under the code that a program sees', async () => {
    startSdk();
    const [api, conductor] = await connectAll();
    await serve(conductor, echoContract('failing'), echoHandlers(new Set(), {}));
    const client = createClient(api, echoContract('failing'));
    await expect(client.fail(text('service'))).rejects.toMatchObject({ code: 'no_room' });
    await expect(client.at('nobody').echo(text('?'))).rejects.toMatchObject({ code: 'Unreachable' });
    await eventually(() => spans().length === 3);
    for (const kind of [SpanKind.CLIENT, SpanKind.SERVER]) {
      const span = named('failing/fail', kind);
      expect(span.status.code).toBe(SpanStatusCode.ERROR);
      expect(span.attributes).toMatchObject({ 'error.type': 'no_room', 'rpc.response.status_code': 'no_room' });
      expect(span.events).toMatchObject([{ name: 'exception', attributes: { 'exception.message': 'there is no room' } }]);
    }
    expect(named('failing/echo', SpanKind.CLIENT).attributes).toMatchObject({
      'error.type': 'Unreachable',
      'kilonova.rpc.server': 'nobody',
    });
  });

  test('without an SDK calls go as before, and a trace that came in goes on', async () => {
    const [api, conductor, scheduler] = await connectAll();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const seen: unknown[] = [];
    await serve(
      conductor,
      echoContract('middle'),
      echoHandlers(new Set(), {
        echo: (given, request) => createClient(conductor, echoContract('end')).echo(request, { context: given }),
      }),
    );
    await serve(
      scheduler,
      echoContract('end'),
      echoHandlers(new Set(), { echo: ({ metadata }, request) => (seen.push(metadata), request) }),
    );
    const answer = await createClient(api, echoContract('middle')).echo(text('!'), { metadata: { traceparent } });
    expect(answer.text).toBe('!');
    expect(seen).toEqual([{ traceparent }]);
    expect(spans()).toEqual([]);
  });
});
