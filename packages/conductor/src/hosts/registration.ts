import { failure, type HostRegistration } from '@kilonova/objects';
import type { Context } from '@kilonova/rpc';
import { wakeHosts } from '../db/cleanups.ts';
import { registerHost } from '../db/host-registration.ts';
import type { Services } from '../services.ts';
import { assertHostAccount } from './host-account.ts';
import { isHostName } from './host-name.ts';

/**
 * A host registers at its start and after every reconnect. Work that waits for it is sent again.
 *
 * @throws NotAuthorized, InvalidInput, Conflict
 */
export async function register(services: Services, context: Pick<Context, 'caller'>, registration: HostRegistration): Promise<void> {
  checkRegistration(services, context, registration);
  await writeRegistration(services, registration);
  await hostsReturned(services, [registration.host]);
}

/** @throws NotAuthorized, InvalidInput */
export function checkRegistration({ config }: Services, context: Pick<Context, 'caller'>, { host, node }: HostRegistration): void {
  assertHostAccount(context, host, config.conductor.enforceHostAccounts);
  for (const [field, name] of [
    ['host', host],
    ['node', node],
  ] as const)
    if (!isHostName(name)) throw failure('InvalidInput', `${field} ${JSON.stringify(name)}: expected letters, digits, ".", "_" and "-"`);
}

/** @throws InvalidInput, Conflict */
export async function writeRegistration({ knex, random, config, publisher }: Services, registration: HostRegistration): Promise<void> {
  const ids = { serviceUuid: random.uuid(), hostUuid: random.uuid() };
  await knex.transaction((trx) => registerHost(trx, registration, ids, config.conductor));
  publisher.hostsTouched([registration.host]);
}

/** Orders and removals that wait for these hosts are due. */
export async function hostsReturned({ knex, engine }: Pick<Services, 'knex' | 'engine'>, hosts: readonly string[]): Promise<void> {
  await engine.hostsReturned(hosts);
  await wakeHosts(knex, hosts);
}
