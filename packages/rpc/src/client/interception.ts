import type { CallOptions, ClientOptions } from './client.ts';
import type { Contract, Method } from '../contract/contract.ts';
import { chain, type OutgoingCall } from '../interceptors.ts';
import { metadataOf } from '../wire/metadata.ts';
import { interceptStream } from './stream-interception.ts';
import type { Environment } from '../environment.ts';
import type { TransportLimits } from '../transport.ts';
import { isAwaited } from '../wire/wire.ts';

/** What this needs of a transport, of either wire format. */
interface Sender {
  readonly environment: Environment;
  readonly limits: Pick<TransportLimits, 'callTimeoutMs'> & Partial<Pick<TransportLimits, 'streamTimeoutMs'>>;
}

type Send = (name: string, method: Method, request: object, server: string | undefined, options: CallOptions) => unknown;

/** `send` with the interceptors of the transport and of the client around it; itself where there are none. */
export function intercepted(transport: Sender, contract: Contract, options: ClientOptions, send: Send): Send {
  const around = chain(transport.environment.interceptors.client, options.interceptors);
  if (around === undefined) return send;
  return (name, method, request, server, given) => {
    const call = outgoing(transport, contract, options, { name, method, request, server, given });
    const last = () => send(name, method, request, server, { ...given, ...asIntercepted(call) });
    if (method.kind === 'stream') return interceptStream((open) => around(call, open), last as () => AsyncIterable<readonly object[]>);
    return around(call, last as () => Promise<unknown>);
  };
}

interface Given {
  readonly name: string;
  readonly method: Method;
  readonly request: object;
  readonly server: string | undefined;
  readonly given: CallOptions;
}

function outgoing(transport: Sender, contract: Contract, options: ClientOptions, { name, method, request, server, given }: Given) {
  const { environment, limits } = transport;
  const { context } = given;
  const call: OutgoingCall = {
    kind: method.kind,
    topic: contract.topic,
    method: name,
    server,
    requestId: given.requestId ?? context?.requestId ?? `req-${environment.random.uuid()}`,
    deadline: Math.min(
      environment.clock.now() + timeoutOf(method, given, options, limits),
      (isAwaited(method.kind) ? context?.deadline : undefined) ?? Number.POSITIVE_INFINITY,
    ),
    request,
    context,
    metadata: { ...metadataOf(given) },
  };
  return call;
}

function timeoutOf(method: Method, given: CallOptions, options: ClientOptions, limits: Sender['limits']): number {
  const own = given.timeoutMs ?? options.timeoutMs;
  if (method.kind === 'call') return own ?? method.timeoutMs ?? limits.callTimeoutMs;
  if (method.kind === 'stream') return own ?? method.timeoutMs ?? limits.streamTimeoutMs ?? limits.callTimeoutMs;
  return given.timeoutMs ?? Number.POSITIVE_INFINITY;
}

/** What the interceptors made of the options. Their metadata is all there is: what they took out stays out. */
function asIntercepted({ requestId, context, metadata }: OutgoingCall) {
  return {
    requestId,
    ...(context === undefined ? {} : { context: { requestId, deadline: context.deadline } }),
    metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
  };
}
