import type { Surroundings } from '@kilonova/runtime';
import type { KilonovaConfig } from '../config/sections.ts';
import { examineBroker } from './broker.ts';
import { examineConfiguration } from './configuration.ts';
import { examineDatabase } from './database.ts';
import { examine, type Finding } from './examination.ts';
import { examineIdentity } from './identity.ts';

/** Whose machine it is: none has more secrets than its service needs. */
export const roles = ['api', 'conductor', 'scheduler', 'compute'] as const;
export type Role = (typeof roles)[number];

/**
 * All that the services need, or what one of them does.
 *
 * @param host whose account is tried, of the role compute
 */
export function examinations(
  config: KilonovaConfig,
  { role, host }: { readonly role: Role | undefined; readonly host: string },
  around: Surroundings,
): Promise<readonly Finding[]> {
  const needed = (...by: readonly Role[]) => role === undefined || by.includes(role);
  const who = role === 'compute' ? { host } : { role: role ?? 'conductor' };
  return Promise.all([
    examine('configuration', () => examineConfiguration(config, role)),
    examine('broker', () => examineBroker(config.broker, who, around)),
    ...(needed('conductor') ? [examine('database', () => examineDatabase(config.database))] : []),
    ...(needed('api') ? [examine('identity', () => examineIdentity(config.auth, around))] : []),
  ]);
}
