import { notFound } from '../../http/error.ts';
import { ok, route, type Route } from '../../http/route.ts';
import { schemas } from '../schemas.ts';
import { asCaller, type ImageService } from '../service.ts';

/** Schemas, and what this service can do besides plain uploads: nothing. */
export const schemaRoutes = (service: ImageService): readonly Route[] => [
  ...Object.entries(schemas).map(([name, schema]) =>
    route(
      'GET',
      `/v2/schemas/${name}`,
      asCaller(service, () => ok(schema)),
    ),
  ),
  route(
    'GET',
    '/v2/info/import',
    asCaller(service, () => ok({ 'import-methods': { description: 'Import methods available.', type: 'array', value: [] } })),
  ),
  route(
    'GET',
    '/v2/info/stores',
    asCaller(service, () => {
      throw notFound('Multi backend is not supported at this site.');
    }),
  ),
];
