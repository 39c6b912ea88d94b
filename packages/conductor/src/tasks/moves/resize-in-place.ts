/**
 * A resize that the scheduler leaves on its host (`allow_resize_to_same_host`) goes the way of the others with other orders:
 * nothing is prepared or sent, the guest is stopped and its domain made one of the new flavor, under the claimed
 * generation. Its host carries orders about one instance out in their order, so it can be taken back without asking.
 */
import { type DomainSpec, PowerOperation, TakeBackOperation } from '@kilonova/objects';
import { type OwnerKey, regenerate, release } from '../../db/claims.ts';
import type { Transaction } from '../../db/connection.ts';
import { changeInstances, lockInstances } from '../../db/instance-changes.ts';
import type { Order } from '../engine/definition.ts';
import { orderOf, say } from '../orders.ts';
import type { TaskServices } from '../services.ts';
import { destinationOf, type MoveItem, type MoveParams, runsIn, uuidsOf } from './move.ts';

/** Instead of preparing and of sending. */
export const sendStop = (orders: readonly Order<MoveParams>[], services: TaskServices): Promise<void> =>
  say(orders, services, (order, host) => {
    const operation = Object.assign(orderOf(new PowerOperation(), order), { graceMs: services.config.shutdownGraceMs });
    return host.powerOff(operation, { requestId: order.item.requestId });
  });

/** Instead of finishing. */
export const sendInPlace = (
  orders: readonly Order<MoveParams>[],
  specs: ReadonlyMap<string, DomainSpec>,
  services: TaskServices,
): Promise<void> =>
  say(orders, services, (order, host) => {
    const spec = specs.get(order.item.instanceUuid!);
    if (spec === undefined) return Promise.resolve(); // deleted meanwhile
    const running = runsIn(order.item.params.vmState);
    const operation = Object.assign(orderOf(new TakeBackOperation(), order, destinationOf(order.item)), { spec, running });
    return host.takeBack(operation, { requestId: order.item.requestId });
  });

/**
 * The domain may be the new one already. What the host has becomes its own again under a generation above both, and the
 * new flavor's claim is given back. @returns the new generation by task id, and the hosts that changed
 */
export async function takeBackInPlace(
  trx: Transaction,
  items: readonly MoveItem[],
): Promise<{ readonly generations: ReadonlyMap<string, number>; readonly touched: readonly string[] }> {
  if (items.length === 0) return { generations: new Map(), touched: [] };
  const instances = await lockInstances(trx, uuidsOf(items));
  const given = items.map((item) => ({ item, generation: (instances.get(item.instanceUuid!)?.lastGeneration ?? 0) + 1 }));
  const ownerOf = ({ instanceUuid, params: { host, generation } }: MoveItem): OwnerKey => ({
    instanceUuid: instanceUuid!,
    host,
    generation,
  });
  await changeInstances(
    trx,
    given.map(({ item, generation }) => ({
      ...{
        uuid: item.instanceUuid!,
        host: item.params.host,
        node: instances.get(item.instanceUuid!)?.node ?? item.params.host,
        generation,
      },
    })),
  );
  await regenerate(
    trx,
    given.map(({ item, generation }) => ({ ...ownerOf(item), newGeneration: generation })),
  );
  const touched = await release(
    trx,
    items.map((item) => ({ ...ownerOf(item), generation: destinationOf(item).generation })),
  );
  return { generations: new Map(given.map(({ item, generation }) => [item.id, generation])), touched };
}
