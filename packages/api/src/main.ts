import { conductorContract } from '@kilonova/objects';
import { createClient, transportHealth, type Transport } from '@kilonova/rpc';
import { healthOf, type RunningService, type Surroundings } from '@kilonova/runtime';
import type { Api } from './api.ts';
import type { ApiConfig, AuthConfig, ImageClientConfig } from './config.ts';
import { RequestMetrics } from './http/request-metrics.ts';
import { RouteTable } from './http/route-table.ts';
import { HttpServer } from './http/server.ts';
import { Identity } from './identity/identity.ts';
import { Images } from './images/images.ts';
import { Policy } from './policy/policy.ts';
import { routes } from './routes/index.ts';
import { Schemas } from './schema/validator.ts';

export interface ApiOptions extends Surroundings {
  readonly config: {
    readonly api: ApiConfig;
    readonly auth: AuthConfig;
    readonly glance: ImageClientConfig;
  };
  readonly transport: Transport;
  /** Policy rules that differ from the documented ones, by name. */
  readonly policies?: Readonly<Record<string, string>>;
}

/**
 * Serves the Compute API. The transport is not closed by `stop`: whoever opened it closes it.
 * @throws Error that names the address when it cannot be listened on
 */
export async function startApi({
  config,
  transport,
  policies,
  ...surroundings
}: ApiOptions): Promise<RunningService & { readonly url: string }> {
  const identity = new Identity(config.auth, surroundings);
  const api: Api = {
    ...surroundings,
    config: config.api,
    conductor: createClient(transport, conductorContract, { timeoutMs: config.api.rpcTimeoutMs }),
    identity,
    images: new Images(config.glance, surroundings),
    policy: new Policy(policies),
  };
  const server = new HttpServer({ api, routes: new RouteTable(routes), schemas: new Schemas() }, new RequestMetrics(surroundings.metrics));
  const url = await server.listen();
  surroundings.log.info({ url }, 'the Compute API listens');
  return {
    name: 'api',
    url,
    health: async () =>
      healthOf({
        broker: transportHealth(transport),
        identity: await identity.health(),
      }),
    stop: () => server.stop(),
  };
}
