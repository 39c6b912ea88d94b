import type { Flavor } from '@kilonova/objects';
import type { Transaction } from '../../db/connection.ts';
import { changeInstances, type InstanceRow } from '../../db/instance-changes.ts';
import { diskOf } from '../../db/new-servers.ts';
import type { UsageChange } from '../../db/quota-usages.ts';

/** What a server of the flavor counts as. */
export const amountsOf = (flavor: Flavor) => ({ vcpus: flavor.vcpus, memoryMb: flavor.memoryMb, diskGb: diskOf(flavor) });

/** What a server counts as while it may end in either flavor. */
export const largerOf = (one: Flavor, other: Flavor) => {
  const [a, b] = [amountsOf(one), amountsOf(other)];
  return {
    vcpus: Math.max(a.vcpus, b.vcpus),
    memoryMb: Math.max(a.memoryMb, b.memoryMb),
    diskGb: Math.max(a.diskGb, b.diskGb),
  };
};

/**
 * The resize is over: each (locked) server counts as one flavor again.
 *
 * @returns what it counted as besides, to be released of quota behind everything else of the transaction
 */
export async function countAs(
  trx: Transaction,
  ends: readonly { readonly instance: InstanceRow; readonly flavor: Flavor }[],
): Promise<readonly UsageChange[]> {
  const changed = ends.filter(({ instance, flavor }) => {
    const { vcpus, memoryMb, diskGb } = amountsOf(flavor);
    return vcpus !== instance.vcpus || memoryMb !== instance.memoryMb || diskGb !== instance.diskGb;
  });
  const found = new Set(
    await changeInstances(
      trx,
      changed.map(({ instance, flavor }) => ({ uuid: instance.uuid, ...amountsOf(flavor) })),
    ),
  );
  return changed
    .filter(({ instance }) => found.has(instance.uuid))
    .map(({ instance: { projectId, userId, vcpus, memoryMb }, flavor }) => ({
      ...{ projectId, userId, instances: 0, cores: vcpus - flavor.vcpus, ram: memoryMb - flavor.memoryMb },
    }));
}
