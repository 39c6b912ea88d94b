import { conductorContract, conductorPin } from '@kilonova/objects';
import { createClient, transportHealth, type Transport } from '@kilonova/rpc';
import { healthOf, tellPin, type RunningService, type Surroundings } from '@kilonova/runtime';
import type { Api } from './api.ts';
import { KeptServers } from './cache/kept-servers.ts';
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
  /** Version to speak to the conductors, MAJOR.MINOR; by default what the oldest of them understands. */
  readonly pin?: string;
}

/**
 * Serves the Compute API. The transport is not closed by `stop`: whoever opened it closes it.
 * @throws Error that names the address when it cannot be listened on
 */
export async function startApi({
  config,
  transport,
  policies,
  pin,
  ...surroundings
}: ApiOptions): Promise<RunningService & { readonly url: string }> {
  const identity = new Identity(config.auth, surroundings);
  const conductors = conductorPin({
    ...{ transport, contract: conductorContract, given: pin, clock: surroundings.clock, everyMs: config.api.pinAskMs },
    onMove: tellPin(surroundings, 'conductor'),
  });
  const api: Api = {
    ...surroundings,
    config: config.api,
    conductor: createClient(transport, conductorContract, { timeoutMs: config.api.rpcTimeoutMs, ...conductors.options }),
    identity,
    images: new Images(config.glance, surroundings),
    policy: new Policy(policies),
    keptServers: new KeptServers(config.api.keptServersMb * 2 ** 20, surroundings.metrics),
  };
  const server = new HttpServer({ api, routes: new RouteTable(routes), schemas: new Schemas() }, new RequestMetrics(surroundings.metrics));
  // The first request shall not be spoken older than need be; without a conductor there is nothing to wait for.
  await firstOf(surroundings.clock, config.api.pinAskMs, conductors.ask());
  const url = await server.listen().catch((error: unknown) => {
    conductors.stop();
    throw error;
  });
  surroundings.log.info({ url }, 'the Compute API listens');
  return {
    name: 'api',
    url,
    health: async () =>
      healthOf({
        broker: transportHealth(transport),
        identity: await identity.health(),
      }),
    stop() {
      conductors.stop();
      return server.stop();
    },
  };
}

async function firstOf(clock: Surroundings['clock'], ms: number, work: Promise<void>): Promise<void> {
  let cancel = () => {};
  await Promise.race([work, new Promise<void>((resolve) => (cancel = clock.after(ms, resolve)))]);
  cancel();
}
