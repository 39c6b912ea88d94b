import { Identity } from '@kilonova/api';
import type { AuthConfig } from '@kilonova/api/config';
import type { Surroundings } from '@kilonova/runtime';

/** Asks the identity service for its version, and logs in as the api does. Throws what is wrong. */
export async function examineIdentity(config: AuthConfig, around: Surroundings): Promise<string> {
  const { ok, reason } = await new Identity(config, around).health();
  if (!ok) throw new Error(`${config.url}: ${reason}`);
  return `${config.url} answers, and takes the account ${config.username}`;
}
