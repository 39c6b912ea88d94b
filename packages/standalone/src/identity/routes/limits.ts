import { ok, route, type Route } from '../../http/route.ts';
import { asUser, type Identity } from '../identity.ts';
import { whole } from '../listing.ts';

/** Unified limits are not kept here: none are set, and their model is the flat one. */
export const limitRoutes = (identity: Identity): readonly Route[] => [
  route(
    'GET',
    '/v3/limits',
    asUser(identity, (request) => whole(request, 'limits', [])),
  ),
  route(
    'GET',
    '/v3/registered_limits',
    asUser(identity, (request) => whole(request, 'registered_limits', [])),
  ),
  route(
    'GET',
    '/v3/limits/model',
    asUser(identity, () => ok({ model: { name: 'flat', description: 'Limits of a project do not depend on other projects.' } })),
  ),
];
