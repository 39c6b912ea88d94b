import type { conductorContract } from '@kilonova/objects';
import type { Client } from '@kilonova/rpc';
import type { Surroundings } from '@kilonova/runtime';
import type { KeptServers } from './cache/kept-servers.ts';
import type { ApiConfig } from './config.ts';
import type { Identity } from './identity/identity.ts';
import type { Images } from './images/images.ts';
import type { Policy } from './policy/policy.ts';

/** What every route is handed. */
export interface Api extends Surroundings {
  readonly config: ApiConfig;
  readonly conductor: Client<typeof conductorContract>;
  readonly identity: Identity;
  readonly images: Images;
  readonly policy: Policy;
  readonly keptServers: KeptServers;
}
