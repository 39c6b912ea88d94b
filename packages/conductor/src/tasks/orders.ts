import type { computeContract, Operation } from '@kilonova/objects';
import type { Client } from '@kilonova/rpc';
import type { Order } from './engine/definition.ts';
import type { TaskServices } from './services.ts';

/** What every task that orders something of a host knows about it. */
export interface OnHost {
  readonly host: string;
  readonly generation: number;
}

type Host = ReturnType<Client<typeof computeContract>['at']>;

/** Fills in what every operation carries. `on`: when it is not the host of the task's parameters. */
export const orderOf = <O extends Operation, P extends OnHost>(
  operation: O,
  { item, operationId, allowedMs }: Order<P>,
  on: OnHost = item.params,
): O =>
  Object.assign(operation, {
    ...{ operationId, instanceUuid: item.instanceUuid!, generation: on.generation, host: on.host },
    ...{ requestId: item.requestId, allowedMs },
  });

/** Sends each order to its host. One that cannot be handed over is said again later. */
export async function say<P extends OnHost>(
  orders: readonly Order<P>[],
  { compute, log }: TaskServices,
  send: (order: Order<P>, host: Host) => Promise<void>,
  hostOf: (order: Order<P>) => string = ({ item }) => item.params.host,
): Promise<void> {
  await Promise.all(
    orders.map(async (order) => {
      const host = hostOf(order);
      try {
        await send(order, compute.at(host));
      } catch (error) {
        log.debug({ host, operationId: order.operationId, error: String(error) }, 'order not handed over, said again later');
      }
    }),
  );
}
