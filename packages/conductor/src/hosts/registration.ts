import { failure, type HostRegistration } from '@kilonova/objects';
import { Empty, type Context } from '@kilonova/rpc';
import { registerHost } from '../db/host-registration.ts';
import type { Services } from '../services.ts';
import { assertHostAccount } from './host-account.ts';
import { isHostName } from './host-name.ts';

/**
 * A host registers at its start and after every reconnect. Work that waits for it is sent again.
 *
 * @throws NotAuthorized, InvalidInput, Conflict
 */
export async function register(services: Services, context: Pick<Context, 'caller'>, registration: HostRegistration): Promise<Empty> {
  const { knex, random, config, publisher, engine } = services;
  const { host, node } = registration;
  assertHostAccount(context, host, config.conductor.enforceHostAccounts);
  for (const [field, name] of [
    ['host', host],
    ['node', node],
  ] as const)
    if (!isHostName(name)) throw failure('InvalidInput', `${field} ${JSON.stringify(name)}: expected letters, digits, ".", "_" and "-"`);
  const ids = { serviceUuid: random.uuid(), hostUuid: random.uuid() };
  await knex.transaction((trx) => registerHost(trx, registration, ids, config.conductor));
  publisher.hostsTouched([host]);
  await engine.hostReturned(host);
  return new Empty();
}
