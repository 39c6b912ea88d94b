import { NotAuthorized, type Context } from '@kilonova/rpc';

/**
 * A host speaks for itself only: its broker account is `compute.<host>`.
 *
 * @throws NotAuthorized
 */
export function assertHostAccount(context: Pick<Context, 'caller'>, host: string, enforced: boolean): void {
  if (enforced && context.caller !== `compute.${host}`)
    throw new NotAuthorized(`account ${JSON.stringify(context.caller)} does not speak for host ${JSON.stringify(host)}`);
}
