import { ActOnServer, ServerRef, UpdateServer, type Server } from '@kilonova/objects';
import type { Api } from '../../api.ts';
import { notFound } from '../../http/api-error.ts';
import { Reply, type ApiRequest } from '../../http/request.ts';
import { showFields, updateFields } from '../../views/server.ts';
import { render, viewOf, written } from '../../views/view.ts';
import { make, scopeFor } from '../asking.ts';
import type { Route } from '../route.ts';
import { isUuid } from '../values.ts';

/** The server in the URL, through the caller's eyes. @throws ApiError 404 for what cannot be an id */
export function serverRef(api: Api, request: ApiRequest, route: Route): Pick<ServerRef, 'scope' | 'uuid'> {
  const uuid = request.params['server_id'] ?? request.params['id'] ?? '';
  if (!isUuid(uuid)) throw notFound(`Instance ${uuid} could not be found.`);
  return { scope: scopeFor(api, request, route), uuid: uuid.toLowerCase() };
}

export const findServer = (api: Api, request: ApiRequest, route: Route): Promise<Server> =>
  api.conductor.getServer(make(ServerRef, serverRef(api, request, route)), request.rpc);

export async function showServer(api: Api, request: ApiRequest, route: Route) {
  const server = await findServer(api, request, route);
  return new Reply(Buffer.from(`{"server":${written(showFields(api.config.instanceNamePrefix), server, viewOf(api, request))}}`));
}

interface Changes {
  readonly name?: string;
  readonly description?: string | null;
  readonly hostname?: string;
  readonly accessIPv4?: string | null;
  readonly accessIPv6?: string | null;
  readonly 'OS-DCF:diskConfig'?: string;
}

export async function updateServer(api: Api, request: ApiRequest, route: Route) {
  const { server: given } = request.body as { server: Changes };
  const changes: UpdateServer['changes'] = {
    ...(given.name === undefined ? {} : { name: given.name.trim() }),
    ...(given.description === undefined ? {} : { description: given.description }),
    ...(given.hostname === undefined ? {} : { hostname: given.hostname }),
    ...(given.accessIPv4 === undefined ? {} : { accessIpV4: given.accessIPv4 || null }),
    ...(given.accessIPv6 === undefined ? {} : { accessIpV6: given.accessIPv6 || null }),
    ...(given['OS-DCF:diskConfig'] === undefined ? {} : { diskConfig: given['OS-DCF:diskConfig'] }),
  };
  const server = await api.conductor.updateServer(make(UpdateServer, { ...serverRef(api, request, route), changes }), request.rpc);
  return { server: render(updateFields(api.config.instanceNamePrefix), server, viewOf(api, request)) };
}

/** An action of the conductor; `options` are read from the value of the body's key. */
export const act =
  (action: string, options: (given: unknown) => ActOnServer['options'] = () => ({})) =>
  async (api: Api, request: ApiRequest, route: Route) => {
    const given = route.action === undefined ? undefined : (request.body as Record<string, unknown>)[route.action];
    await api.conductor.actOnServer(make(ActOnServer, { ...serverRef(api, request, route), action, options: options(given) }), request.rpc);
    return new Reply(undefined);
  };
