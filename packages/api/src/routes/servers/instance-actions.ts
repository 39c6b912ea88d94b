import { ListServerActions, ServerActionRef } from '@kilonova/objects';
import type { Api } from '../../api.ts';
import { badRequest } from '../../http/api-error.ts';
import { lastOf } from '../../http/query.ts';
import type { ApiRequest } from '../../http/request.ts';
import { utcTime } from '../../schema/times.ts';
import { serverActionFields, serverActionWithEvents } from '../../views/server-action.ts';
import { render, viewOf } from '../../views/view.ts';
import { collect, make } from '../asking.ts';
import { nextLinks, pageOf } from '../page.ts';
import type { Route } from '../route.ts';
import { findServer, serverRef } from './single.ts';

/** What was asked of a server outlives it for clients from 2.21 on. @throws ApiError 404 */
async function demandServer(api: Api, request: ApiRequest, route: Route): Promise<void> {
  if (request.version < 21) await findServer(api, request, route);
}

/** Pages and times came with 2.58, changes-before with 2.66; before, keys of the query mean nothing. */
async function list(api: Api, request: ApiRequest, route: Route) {
  const { query, version } = request;
  const paged = version >= 58;
  const page = paged ? pageOf(request, api.config) : { limit: api.config.maxLimit, marker: null };
  const limit = page.limit === 0 ? api.config.maxLimit : page.limit;
  const time = (key: string, from: number) => (version >= from ? utcTime(lastOf(query, key) ?? '') : null);
  const [changesSince, changesBefore] = [time('changes-since', 58), time('changes-before', 66)];
  if (changesSince !== null && changesBefore !== null && changesSince > changesBefore)
    throw badRequest('The value of changes-since must be less than or equal to changes-before.');
  await demandServer(api, request, route);
  const asked = make(ListServerActions, { ...serverRef(api, request, route), limit, marker: page.marker, changesSince, changesBefore });
  const actions = await collect(api, api.conductor.listServerActions(asked, request.rpc), limit);
  const next = paged
    ? nextLinks(
        request,
        page,
        actions.map(({ requestId }) => requestId),
      )
    : undefined;
  const view = viewOf(api, request);
  return {
    instanceActions: actions.map((action) => render(serverActionFields, action, view)),
    ...(next === undefined ? {} : { links: next }),
  };
}

async function show(api: Api, request: ApiRequest, route: Route) {
  await demandServer(api, request, route);
  const ref = make(ServerActionRef, { ...serverRef(api, request, route), actionRequestId: request.params['id']! });
  return { instanceAction: render(serverActionWithEvents, await api.conductor.getServerAction(ref, request.rpc), viewOf(api, request)) };
}

const POLICY = 'os_compute_api:os-instance-actions';
const PATH = '/servers/{server_id}/os-instance-actions';

export const instanceActionRoutes: readonly Route[] = [
  { method: 'GET', path: PATH, success: 200, rowPolicy: `${POLICY}:list`, handle: list },
  { method: 'GET', path: `${PATH}/{id}`, success: 200, rowPolicy: `${POLICY}:show`, handle: show },
];
