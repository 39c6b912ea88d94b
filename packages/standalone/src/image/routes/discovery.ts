import { route, type Request, type Route } from '../../http/route.ts';

const LATEST = 16;

const versions = ({ origin }: Request) => ({
  versions: Array.from({ length: LATEST + 1 }, (_, back) => ({
    id: `v2.${LATEST - back}`,
    status: back === 0 ? 'CURRENT' : 'SUPPORTED',
    links: [{ rel: 'self', href: `${origin}/v2/` }],
  })),
});

/** What clients read before they log in; links point to the address that they asked. */
export const discoveryRoutes: readonly Route[] = [
  route('GET', '/', (request) => ({ status: 300, json: versions(request) })),
  route('GET', '/versions', (request) => ({ status: 200, json: versions(request) })),
  route('GET', '/v2', (request) => ({ status: 300, json: versions(request) })),
];
