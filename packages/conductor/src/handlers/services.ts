import { failure, type ListServices, type Service, type ServiceRef, type UpdateService } from '@kilonova/objects';
import { Empty } from '@kilonova/rpc';
import { giveUp } from '../db/cleanups.ts';
import { touchHosts } from '../db/host-capacity.ts';
import { raise } from '../db/liveness.ts';
import * as rows from '../db/services.ts';
import type { Services } from '../services.ts';
import { refuseIfDenied } from './scopes.ts';

export async function* listServices({ knex, config }: Services, request: ListServices): AsyncGenerator<readonly Service[]> {
  refuseIfDenied(request.scope);
  const limit = config.conductor.pieceRows;
  let after = 0;
  for (;;) {
    const page = await rows.servicePage(knex, config.conductor, request, after, limit);
    if (page.length > 0) yield page;
    if (page.length < limit) return;
    after = page.at(-1)!.id;
  }
}

/** @throws ServiceNotFound; InvalidInput for a service by uuid that is not on a compute host */
export async function updateService({ knex, config, publisher }: Services, request: UpdateService): Promise<Service> {
  const { changes } = request;
  const { service, touched } = await knex.transaction(async (trx) => {
    const found = await rows.lockService(trx, config.conductor, request);
    refuseIfDenied(request.scope);
    if (found.binary !== 'nova-compute' && request.uuid !== null)
      throw failure('InvalidInput', `Updating a ${found.binary} service is not supported. Only nova-compute services can be updated.`);
    const disabled = changes.disabled ?? found.disabled;
    await rows.writeService(
      trx,
      Object.assign(found, {
        disabled,
        // A reason belongs to a disabled service: enabling forgets it.
        disabledReason: disabled ? (changes.disabledReason === undefined ? found.disabledReason : changes.disabledReason) : null,
        forcedDown: changes.forcedDown ?? found.forcedDown,
      }),
    );
    const hosts = found.binary === 'nova-compute' ? [found.host] : [];
    if (found.forcedDown) for (const host of hosts) await rows.setHostDown(trx, host);
    const written = await rows.lockService(trx, config.conductor, request);
    // What is shown as up is up: its next sign of life may be long in coming.
    if (written.up) await raise(trx, hosts);
    return { touched: await touchHosts(trx, hosts, config.conductor), service: written };
  });
  publisher.hostsTouched(touched);
  return service;
}

/**
 * A compute host whose service is forced down is declared gone by this: what it may still hold is given up. Should it come back, it is
 * told to remove what was released, and shows the rest as strays.
 *
 * @throws ServiceNotFound, ServiceInUse
 */
export async function deleteService({ knex, config, publisher }: Services, request: ServiceRef): Promise<Empty> {
  const host = await knex.transaction(async (trx) => {
    const service = await rows.lockService(trx, config.conductor, request);
    refuseIfDenied(request.scope);
    if (service.binary === 'nova-compute') {
      const { servers, claims, leftovers } = await rows.lockHostUse(trx, service.host);
      if (servers > 0)
        throw failure('ServiceInUse', 'Unable to delete compute service that is hosting instances. Migrate or delete the instances first.');
      if (claims > 0)
        throw failure(
          'ServiceInUse',
          'Unable to delete compute service that has in-progress migrations. Complete the migrations or delete the instances first.',
        );
      if (leftovers > 0 && !service.forcedDown)
        throw failure(
          'ServiceInUse',
          `Unable to delete compute service: what deleted or evacuated instances left on host ${service.host} is still to be removed. ` +
            'If the host is gone for good, force its service down first.',
        );
      if (leftovers > 0) await giveUp(trx, service.host);
    }
    await rows.deleteService(trx, service);
    return service.host;
  });
  publisher.hostsTouched([host]);
  return new Empty();
}
