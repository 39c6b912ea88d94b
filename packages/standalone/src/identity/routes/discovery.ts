import { ok, route, type Request, type Route } from '../../http/route.ts';

const version = ({ origin }: Request) => ({
  id: 'v3.14',
  status: 'stable',
  updated: '2020-04-07T00:00:00Z',
  links: [{ rel: 'self', href: `${origin}/v3/` }],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
});

/** What clients read before they log in; links point to the address that they asked. */
export const discoveryRoutes: readonly Route[] = [
  route('GET', '/', (request) => ({
    status: 300,
    json: { versions: { values: [version(request)] } },
    headers: { Location: `${request.origin}/v3/` },
  })),
  route('GET', '/v3', (request) => ok({ version: version(request) })),
];
