export { Exclude, Expose, Type } from './contract/decorators.ts';
export type { ExposeOptions, FieldDecorator, MessageClassDecorator } from './contract/decorators.ts';
export type { Authorize } from './server/authorize.ts';
export type { ServerLimits } from './server/server-limits.ts';
export { Empty } from './contract/empty.ts';
export * from './errors.ts';
export type { Clock, Environment, Logger, Random, RpcCounter, RpcGauge, RpcLabels, RpcMetrics } from './environment.ts';
export { call, cast, defineContract, fanout, parseVersion, stream } from './contract/contract.ts';
export type {
  CallMethod,
  CastMethod,
  Class,
  Contract,
  FanoutMethod,
  Method,
  Methods,
  Priority,
  StreamMethod,
  Version,
} from './contract/contract.ts';
export type { Context } from './context.ts';
export { createClient } from './client/client.ts';
export type { CallOptions, Client, ClientOptions } from './client/client.ts';
export type { ClientMethods } from './client/client-methods.ts';
export type { HandlersOf } from './server/handlers.ts';
export type { OlderPeer } from './client/older-peer.ts';
export { PeerPin } from './client/peer-pin.ts';
export type { PeerPinOptions } from './client/peer-pin.ts';
export { onRefused } from './client/refusals.ts';
export type { Refusal, RefusalListener } from './client/refusals.ts';
export type { CastFailure } from './server/cast-failure.ts';
export type { DuplicateLimits } from './server/answer-memory.ts';
export type { DeliveryChoice, DeliveryOptions } from './contract/delivery-choice.ts';
export type { LaneLimits } from './server/server-limits.ts';
export type { RetryBudgetOptions, RetryPolicy } from './client/retry.ts';
export { endpoint } from './server/endpoint.ts';
export type { Endpoint, Handlers } from './server/endpoint.ts';
export { serve } from './server/server.ts';
export type { Server, ServeOptions } from './server/server.ts';
export type { ClientInterceptor, IncomingCall, Interceptors, Metadata, OutgoingCall, ServerInterceptor } from './interceptors.ts';
export { openTelemetryMetrics } from './telemetry/metrics.ts';
export { openTelemetryTracing } from './telemetry/tracing.ts';
export type { TracingOptions } from './telemetry/tracing.ts';
export { defaultLimits } from './transport.ts';
export type { Address, Correspondent, Delivery, Listener, OutgoingMessage, Transport, TransportLimits } from './transport.ts';
export { tlsFiles } from './amqp/tls-files.ts';
export type { TlsFiles } from './amqp/tls-files.ts';
export { transportHealth } from './telemetry/health.ts';
export { connectAmqp } from './amqp/connect.ts';
export type { AmqpOptions } from './amqp/connect.ts';
export type { ConnectionOptions, Waiting } from './amqp/connection-options.ts';
export type { Asked, BrokerAccessOptions, BrokerLogin, BrokerTls, CertificateLogin, PasswordLogin } from './amqp/login.ts';
export { brokerDefinitions } from './amqp/definitions.ts';
export type { BrokerAccount, BrokerAccounts, HostAccount } from './amqp/definitions.ts';
export { listDeadLetters, requeueDeadLetters } from './amqp/dead-letters.ts';
export type { DeadLetterEntry, DeadLetterSource, RequeueOutcome } from './amqp/dead-letters.ts';
export { serveSteward } from './amqp/steward.ts';
export type { StewardGrant } from './amqp/steward.ts';
export { InProcessBroker } from './in-process/broker.ts';
export type { DeadLetter } from './in-process/broker.ts';
export type { InProcessConnection } from './in-process/transport.ts';
export type { Faults } from './in-process/faults.ts';
export { seededRandom } from './in-process/seeded-random.ts';
export { VirtualClock } from './in-process/virtual-clock.ts';
export type { VirtualClockOptions } from './in-process/virtual-clock.ts';
export { decoderFor, encoderFor } from './codec/codec.ts';
export type { Decoder, Encoder } from './codec/codec.ts';
export type { Attachment } from './wire/attachments.ts';
export { shape } from './codec/shape.ts';
export { fieldsOf } from './codec/fields.ts';
export type { Field } from './codec/fields.ts';
export { connectOslo, defaultOsloLimits } from './oslo/connect.ts';
export type { OsloOptions } from './oslo/connect.ts';
export { createOsloClient } from './oslo/client.ts';
export type { OsloCallOptions, OsloClient, OsloClientOptions } from './oslo/client.ts';
export { osloEndpoint, serveOslo } from './oslo/server.ts';
export type { OsloHandlers, OsloServeOptions, OsloServer } from './oslo/server.ts';
export type { OsloContext, OsloEndpoint } from './oslo/dispatch.ts';
export { createOsloNotifier } from './oslo/notifier.ts';
export type { OsloNotifier, OsloNotifierOptions } from './oslo/notifier.ts';
export { listenToOsloNotifications } from './oslo/listener.ts';
export type { OsloListener, OsloListenOptions } from './oslo/listener.ts';
export type { OsloNotification, OsloPriority } from './oslo/envelope.ts';
export type { PythonClass, PythonClasses } from './oslo/failure.ts';
export type { OsloQueues } from './oslo/topology.ts';
export type { OsloLimits, OsloTransport } from './oslo/transport.ts';
export { defineEvents, event } from './notifications/definition.ts';
export type { EventPriority, Events, EventType, EventTypes, PayloadOf } from './notifications/definition.ts';
export { createPublisher } from './notifications/publisher.ts';
export type { Publisher, PublisherOptions, PublishOptions } from './notifications/publisher.ts';
export { consumeEvents } from './notifications/consumer.ts';
export type { ConsumeOptions, EventConsumer, EventContext, EventHandlers } from './notifications/consumer.ts';
export { drainOutbox } from './notifications/transactional-outbox.ts';
export type { Drain, DrainOptions, OutboxEntry, OutboxSink, OutboxSource, OutboxStore } from './notifications/transactional-outbox.ts';
