// W3C trace context through every hop, by OpenTelemetry's API alone: whichever SDK the application starts makes the spans
// and decides how the context is written. Without one nothing is made, and what came in still goes on (metadata.ts).
import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context as TraceContext,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { RpcError } from '../errors.ts';
import type { Interceptors, OutgoingCall } from '../interceptors.ts';

/** Where spans go, and what they call the broker. */
export interface TracingOptions {
  /** Default: the global provider's, by the name of this package. */
  readonly tracer?: Tracer;
  /** `messaging.system` of casts, fanouts and notifications. Default `rabbitmq`. */
  readonly messagingSystem?: string;
}

type What = Pick<OutgoingCall, 'kind' | 'topic' | 'method'>;

/** The trace of each request that is being handled, for calls that name it where no context manager is there to know. */
const handled = new WeakMap<object, TraceContext>();

/**
 * Interceptors that make a span of each request on both sides: CLIENT and SERVER for calls and streams (until the last
 * piece), PRODUCER and CONSUMER for casts, fanouts and notifications. Names and attributes follow OpenTelemetry's semantic
 * conventions (`rpc.*`, `messaging.*`, `error.type`); contents are never among them. The message of an error is.
 *
 * The parent of a request is the active span; but of one made on behalf of another (`context`) whose trace is not the
 * active one, the span of that other.
 *
 *     connectAmqp({ …, interceptors: openTelemetryTracing() })
 */
export function openTelemetryTracing(options: TracingOptions = {}): Required<Interceptors> {
  const { tracer = trace.getTracer('@kilonova/rpc'), messagingSystem = 'rabbitmq' } = options;
  return {
    client: [
      (call, next) => {
        const parent = parentOf(call);
        const attributes = attributesOf(call, 'send', messagingSystem, call.requestId);
        if (call.server !== undefined) attributes['kilonova.rpc.server'] = call.server;
        const span = tracer.startSpan(nameOf(call, 'send'), { kind: kindOf(call, 'send'), attributes }, parent);
        const within = trace.setSpan(parent, span);
        propagation.inject(within, call.metadata);
        return context.with(within, () => recorded(span, next));
      },
    ],
    server: [
      (call, next) => {
        const parent = propagation.extract(ROOT_CONTEXT, call.context.metadata);
        const { requestId, caller } = call.context;
        const attributes = attributesOf(call, 'process', messagingSystem, requestId);
        if (caller !== '') attributes['kilonova.rpc.caller'] = caller;
        const span = tracer.startSpan(nameOf(call, 'process'), { kind: kindOf(call, 'process'), attributes }, parent);
        const within = trace.setSpan(parent, span);
        handled.set(call.context, within);
        return context.with(within, () => recorded(span, next));
      },
    ],
  };
}

const isRpc = ({ kind }: What) => kind === 'call' || kind === 'stream';
const nameOf = (what: What, operation: 'send' | 'process') =>
  isRpc(what) ? `${what.topic}/${what.method}` : `${operation} ${what.topic}/${what.method}`;

function kindOf(what: What, operation: 'send' | 'process'): SpanKind {
  if (isRpc(what)) return operation === 'send' ? SpanKind.CLIENT : SpanKind.SERVER;
  return operation === 'send' ? SpanKind.PRODUCER : SpanKind.CONSUMER;
}

const attributesOf = (what: What, operation: 'send' | 'process', messagingSystem: string, requestId: string): Attributes =>
  isRpc(what)
    ? { 'rpc.system.name': 'kilonova', 'rpc.method': `${what.topic}/${what.method}`, 'kilonova.rpc.request_id': requestId }
    : {
        'messaging.system': messagingSystem,
        'messaging.destination.name': what.topic,
        'messaging.operation.name': operation,
        'messaging.operation.type': operation,
        'kilonova.rpc.method': what.method,
        'kilonova.rpc.request_id': requestId,
      };

function parentOf(call: OutgoingCall): TraceContext {
  const active = context.active();
  const stated = handled.get(call.context ?? call) ?? propagation.extract(ROOT_CONTEXT, call.metadata);
  const statedSpan = trace.getSpanContext(stated);
  return statedSpan === undefined || trace.getSpanContext(active)?.traceId === statedSpan.traceId ? active : stated;
}

async function recorded(span: Span, next: () => Promise<unknown>): Promise<unknown> {
  try {
    return await next();
  } catch (error) {
    const code = error instanceof RpcError ? error.code : error instanceof Error ? error.name : 'unknown';
    span.setAttribute('error.type', code);
    if (error instanceof RpcError) span.setAttribute('rpc.response.status_code', code);
    span.recordException(error instanceof Error ? { name: code, message: error.message } : { name: code });
    span.setStatus({ code: SpanStatusCode.ERROR, message: code });
    throw error;
  } finally {
    span.end();
  }
}
