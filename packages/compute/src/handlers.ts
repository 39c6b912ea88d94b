import { computeContract, failure, type DomainSpec, type Operation } from '@kilonova/objects';
import { NotAuthorized, serve, type Context, type Server, type Transport } from '@kilonova/rpc';
import type { Clock } from '@kilonova/runtime';
import type { Agent } from './agent/agent.ts';
import type { ComputeOptions } from './config.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Takes the conductor's orders for this host. */
export function serveCompute(transport: Transport, host: string, agent: Agent, clock: Clock, config: ComputeOptions): Promise<Server> {
  const head = (order: Operation) => ({ ...headOf(order, host), acceptedAt: clock.now() });
  return serve(
    transport,
    computeContract,
    {
      spawn: (_context, order) => {
        expectOwnSpec(order);
        return agent.accept({ ...head(order), verb: 'spawn', spec: order.spec });
      },
      remove: (_context, order) => agent.accept({ ...head(order), verb: 'remove', undoes: order.undoes }),
      powerOn: (_context, order) => agent.accept({ ...head(order), verb: 'powerOn' }),
      powerOff: (_context, order) => agent.accept({ ...head(order), verb: 'powerOff', graceMs: order.graceMs }),
      reboot: (_context, order) => {
        const { kind, graceMs, spec } = order;
        if (kind !== 'soft' && kind !== 'hard') throw expected(order, 'kind soft or hard');
        if (spec !== null) expectOwnSpec({ ...order, spec });
        return agent.accept({ ...head(order), verb: 'reboot', kind, graceMs, spec });
      },
      prepareIncoming: (_context, order) => {
        expectOwnSpec(order);
        return agent.accept({ ...head(order), verb: 'prepareIncoming', spec: order.spec });
      },
      migrateOut: (_context, order) => {
        const { destination, live, graceMs, abort, forceComplete } = order;
        expectThat(destination !== '' && destination.length <= 1_024, order, 'destination of 1 to 1024 characters');
        return agent.accept({ ...head(order), verb: 'migrateOut', destination, live, graceMs, abort, forceComplete });
      },
      finishIncoming: (_context, order) => {
        expectOwnSpec(order);
        const { spec, live, running, sent } = order;
        return agent.accept({ ...head(order), verb: 'finishIncoming', spec, live, running, sent });
      },
      takeBack: (_context, order) => {
        expectOwnSpec(order);
        return agent.accept({ ...head(order), verb: 'takeBack', spec: order.spec, running: order.running });
      },
      inquire: (_context, inquiry) => {
        expectHost(inquiry.host, host);
        return agent.inquire(inquiry.operationIds);
      },
    },
    {
      server: host,
      shared: false,
      graceMs: config.graceMs,
      authorize: (method, context) => authorize(method, context, config),
    },
  );
}

/** @throws NotAuthorized */
function authorize(method: string, { caller }: Context, { trustedCallers, allowAnonymousCaller }: ComputeOptions): void {
  if (caller === '' ? allowAnonymousCaller : trustedCallers.includes(caller)) return;
  throw new NotAuthorized(
    `${caller === '' ? 'a caller without account' : `account ${caller}`} may not order ${method} here; trusted are ${trustedCallers.join(', ')}`,
  );
}

function headOf(order: Operation, host: string) {
  expectHost(order.host, host);
  expectThat(UUID.test(order.instanceUuid), order, 'instanceUuid as a lower-case UUID');
  expectThat(order.operationId !== '' && order.operationId.length <= 255, order, 'operationId of 1 to 255 characters');
  expectThat(Number.isSafeInteger(order.generation) && order.generation >= 0, order, 'generation as a whole number from 0');
  expectThat(Number.isFinite(order.allowedMs) && order.allowedMs > 0, order, 'allowedMs above 0');
  const { operationId, instanceUuid, generation, requestId, allowedMs } = order;
  return { operationId, instanceUuid, generation, requestId, allowedMs };
}

const expectOwnSpec = (order: Operation & { readonly spec: DomainSpec }): void =>
  expectThat(
    order.spec.uuid === order.instanceUuid && order.spec.generation === order.generation,
    order,
    'a spec of the same instance and generation',
  );

function expectHost(named: string, host: string): void {
  if (named !== host) throw failure('HostInvalid', `the order is for host ${named}, this is ${host}`);
}

function expectThat(holds: boolean, order: Operation, what: string): void {
  if (!holds) throw expected(order, what);
}

const expected = (order: Operation, what: string) =>
  failure('InvalidInput', `operation ${order.operationId} of instance ${order.instanceUuid}: expected ${what}`);
