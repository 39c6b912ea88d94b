import { HypervisorRef, ListHypervisors, type Hypervisor } from '@kilonova/objects';
import type { Api } from '../api.ts';
import { ApiError, badRequest, notFound } from '../http/api-error.ts';
import { hasCode } from '../http/error-status.ts';
import { lastOf } from '../http/query.ts';
import type { ApiRequest } from '../http/request.ts';
import { hypervisorFields, hypervisorNameFields, statistics, uptimeFields, uptimeText, withServers } from '../views/hypervisor.ts';
import { render, viewOf, type Field } from '../views/view.ts';
import { collect, make, scopeFor } from './asking.ts';
import { nextLinks, pageOf } from './page.ts';
import type { Route } from './route.ts';
import { booleanOf, isUuid } from './values.ts';

/** All hosts that match, page by page. */
async function everyHypervisor(
  api: Api,
  request: ApiRequest,
  which: Pick<Partial<ListHypervisors>, 'hostnamePattern' | 'withServers'>,
): Promise<Hypervisor[]> {
  const asked = make(ListHypervisors, { scope: scopeFor(api, request), limit: api.config.unpagedLimit, ...which });
  return collect(api, api.conductor.listHypervisors(asked, request.rpc));
}

const noMatch = (pattern: string) => notFound(`No hypervisor matching '${pattern}' could be found.`);

const wantsServers = ({ query, version }: ApiRequest) => version >= 53 && booleanOf(lastOf(query, 'with_servers') ?? false) === true;

/** With the servers where the query asks for them. */
const shownTo = (request: ApiRequest, fields: readonly Field<Hypervisor>[]) => (wantsServers(request) ? withServers(fields) : fields);

const list = (brief: readonly Field<Hypervisor>[]) => async (api: Api, request: ApiRequest) => {
  const { query, version } = request;
  const asksServers = wantsServers(request);
  const fields = shownTo(request, brief);
  const view = viewOf(api, request);
  const pattern = version >= 53 ? lastOf(query, 'hypervisor_hostname_pattern') : undefined;
  if (pattern !== undefined) {
    if (query.has('limit') || query.has('marker'))
      throw badRequest('Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.');
    const found = await everyHypervisor(api, request, { hostnamePattern: pattern, withServers: asksServers });
    if (found.length === 0) throw noMatch(pattern);
    return { hypervisors: found.map((one) => render(fields, one, view)) };
  }
  if (version < 33) return { hypervisors: (await everyHypervisor(api, request, {})).map((one) => render(fields, one, view)) };
  const page = pageOf(request, api.config);
  const limit = page.limit === 0 ? api.config.maxLimit : page.limit;
  const asked = make(ListHypervisors, { scope: scopeFor(api, request), withServers: asksServers, marker: page.marker, limit });
  const found = await collect(api, api.conductor.listHypervisors(asked, request.rpc), limit);
  const next = nextLinks(
    request,
    page,
    found.map(({ id, uuid }) => (version < 53 ? String(id) : uuid)),
  );
  return { hypervisors: found.map((one) => render(fields, one, view)), ...(next === undefined ? {} : { hypervisors_links: next }) };
};

/** By row number up to 2.52, by uuid from 2.53. */
async function find(api: Api, request: ApiRequest): Promise<Hypervisor> {
  const id = request.params['id']!;
  const missing = () => notFound(`Hypervisor with ID '${id}' could not be found.`);
  if (request.version >= 53 ? !isUuid(id) : !/^\d{1,9}$/.test(id))
    throw request.version >= 53 ? badRequest(`Invalid uuid ${id}`) : missing();
  const which = request.version >= 53 ? { uuid: id.toLowerCase() } : { id: Number(id) };
  try {
    return await api.conductor.getHypervisor(
      make(HypervisorRef, { scope: scopeFor(api, request), withServers: wantsServers(request), ...which }),
      request.rpc,
    );
  } catch (error) {
    if (hasCode(error, 'HypervisorNotFound')) throw missing();
    throw error;
  }
}

async function show(api: Api, request: ApiRequest) {
  return { hypervisor: render(shownTo(request, hypervisorFields), await find(api, request), viewOf(api, request)) };
}

async function uptime(api: Api, request: ApiRequest) {
  const hypervisor = await find(api, request);
  if (uptimeText(hypervisor.uptimeSeconds) === null) throw new ApiError(501, 'Virt driver does not implement uptime function.');
  return { hypervisor: render(uptimeFields, hypervisor, viewOf(api, request)) };
}

const search = (fields: readonly Field<Hypervisor>[], asksServers: boolean) => async (api: Api, request: ApiRequest) => {
  const pattern = request.params['id']!;
  const found = await everyHypervisor(api, request, { hostnamePattern: pattern, withServers: asksServers });
  if (found.length === 0) throw noMatch(pattern);
  const view = viewOf(api, request);
  return { hypervisors: found.map((one) => render(fields, one, view)) };
};

async function sums(api: Api, request: ApiRequest) {
  return { hypervisor_statistics: statistics(await everyHypervisor(api, request, {}), viewOf(api, request)) };
}

const POLICY = 'os_compute_api:os-hypervisors';
const get = (path: string, policy: string, handle: Route['handle'], to?: number): Route => ({
  method: 'GET',
  path: `/os-hypervisors${path}`,
  success: 200,
  policies: [`${POLICY}:${policy}`],
  handle,
  ...(to === undefined ? {} : { to }),
});

export const hypervisorRoutes: readonly Route[] = [
  get('', 'list', list(hypervisorNameFields)),
  get('/detail', 'list-detail', list(hypervisorFields)),
  get('/statistics', 'statistics', sums, 87),
  get('/{id}', 'show', show),
  get('/{id}/search', 'search', search(hypervisorNameFields, false), 52),
  get('/{id}/servers', 'servers', search(withServers(hypervisorNameFields), true), 52),
  get('/{id}/uptime', 'uptime', uptime, 87),
];
