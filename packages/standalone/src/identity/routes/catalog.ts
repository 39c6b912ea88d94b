import { HttpError, notFound } from '../../http/error.ts';
import { ok, route, type Route } from '../../http/route.ts';
import { asAdmin, asReader, asUser, type Identity } from '../identity.ts';
import { whole } from '../listing.ts';

/** Services, endpoints and regions: shown, and changed only in the configuration. */
export function catalogRoutes(identity: Identity): readonly Route[] {
  const { catalog } = identity;
  const services = (origin: string) =>
    catalog
      .services()
      .map(({ id, type, name }) => ({ id, type, name, enabled: true, description: '', links: { self: `${origin}/v3/services/${id}` } }));
  const endpoints = (origin: string) =>
    catalog.services().flatMap((service) =>
      service.endpoints.map((endpoint) => ({
        ...endpoint,
        service_id: service.id,
        enabled: true,
        links: { self: `${origin}/v3/endpoints/${endpoint.id}` },
      })),
    );
  const regions = (origin: string) => [
    { id: catalog.region, description: '', parent_region_id: null, links: { self: `${origin}/v3/regions/${catalog.region}` } },
  ];
  const matching = <T extends object>(entries: readonly T[], query: URLSearchParams, keys: readonly (keyof T & string)[]) =>
    entries.filter((entry) => keys.every((key) => !query.has(key) || query.get(key) === entry[key]));
  const one = (what: string, entries: readonly { readonly id: string }[], id: string | undefined) => {
    const found = entries.find((entry) => entry.id === id);
    if (found === undefined) throw notFound(`Could not find ${what}: ${id}.`);
    return ok({ [what]: found });
  };
  const fixed = asAdmin(identity, () => {
    throw new HttpError(501, 'The catalog of this identity service comes from its configuration and is not changed by requests.');
  });

  return [
    route(
      'GET',
      '/v3/services',
      asReader(identity, (request) => whole(request, 'services', matching(services(request.origin), request.query, ['type', 'name']))),
    ),
    route(
      'GET',
      '/v3/services/:id',
      asReader(identity, ({ origin, params }) => one('service', services(origin), params.id)),
    ),
    route(
      'GET',
      '/v3/endpoints',
      asReader(identity, (request) =>
        whole(request, 'endpoints', matching(endpoints(request.origin), request.query, ['interface', 'service_id', 'region_id'])),
      ),
    ),
    route(
      'GET',
      '/v3/endpoints/:id',
      asReader(identity, ({ origin, params }) => one('endpoint', endpoints(origin), params.id)),
    ),
    route(
      'GET',
      '/v3/regions',
      asUser(identity, (request) => whole(request, 'regions', regions(request.origin))),
    ),
    route(
      'GET',
      '/v3/regions/:id',
      asUser(identity, ({ origin, params }) => one('region', regions(origin), params.id)),
    ),
    ...['services', 'endpoints', 'regions'].flatMap((kind) => [
      route('POST', `/v3/${kind}`, fixed),
      route('PATCH', `/v3/${kind}/:id`, fixed),
      route('DELETE', `/v3/${kind}/:id`, fixed),
    ]),
  ];
}
