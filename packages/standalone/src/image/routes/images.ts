import type { Knex } from 'knex';
import { isDuplicate } from '../../database/failure.ts';
import { conflict, forbidden, HttpError } from '../../http/error.ts';
import { fields, refuse } from '../../http/input.ts';
import { created, header, noContent, ok, route, type Request, type Route } from '../../http/route.ts';
import { changeableImage, missing, visibleImage } from '../access.ts';
import { isAdmin, refuseReader, type Caller } from '../caller.ts';
import { imageView, type Settings } from '../image.ts';
import { deleteImage, findImage, insertImage, lockImage, updateSettings } from '../images.ts';
import { applyPatch, parsePatch } from '../patch.ts';
import { listImages } from '../query.ts';
import { asCaller, type ImageService } from '../service.ts';
import { refuseFixed, refuseTooMany, withSetting } from '../settings.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PATCH_TYPE = /^application\/openstack-images-v2\.[01]-json-patch$/;

/** Images themselves: list, create, show, patch and delete. */
export function imageRoutes(service: ImageService): readonly Route[] {
  const { db, config, clock, random, store } = service;
  return [
    route(
      'GET',
      '/v2/images',
      asCaller(service, async (request, caller) => {
        const { images, more } = await listImages(db, { query: request.query, caller, config });
        return ok({
          images: images.map(imageView),
          first: address(request, undefined),
          ...(more ? { next: address(request, images.at(-1)?.id) } : {}),
          schema: '/v2/schemas/images',
        });
      }),
    ),
    route(
      'POST',
      '/v2/images',
      asCaller(service, async (request, caller) => {
        refuseReader(caller);
        const { id = random.uuid(), ...given } = fields(await request.json(), 'the body');
        if (typeof id !== 'string' || !UUID.test(id)) throw refuse('id', 'a lower-case UUID', id);
        const settings = Object.entries(given).reduce<Settings>((sofar, [key, value]) => {
          refuseFixed(key);
          return withSetting(sofar, key, value);
        }, fresh(caller));
        refuseTooMany(settings, config);
        refuseForeign(caller, settings, fresh(caller));
        const image = await insertImage(db, id, settings, clock.now()).catch((error: unknown) => {
          throw isDuplicate(error) ? conflict(`Image ID ${id} already exists!`) : error;
        });
        return created(imageView(image), { Location: `${request.origin}/v2/images/${id}` });
      }),
    ),
    route(
      'GET',
      '/v2/images/:id',
      asCaller(service, async ({ params: { id = '' } }, caller) =>
        ok(imageView(await visibleImage(db, caller, id, await findImage(db, id)))),
      ),
    ),
    route(
      'PATCH',
      '/v2/images/:id',
      asCaller(service, async (request, caller) => {
        const { id = '' } = request.params;
        const type = header(request, 'content-type')?.split(';')[0]?.trim() ?? '';
        if (!PATCH_TYPE.test(type))
          throw new HttpError(415, 'Unsupported media type: expected application/openstack-images-v2.1-json-patch.', {
            headers: { 'Accept-Patch': 'application/openstack-images-v2.1-json-patch' },
          });
        const document = await request.json();
        const image = await db.transaction(async (trx: Knex) => {
          const current = await changeableImage(trx, caller, id, await lockImage(trx, id));
          const settings = applyPatch(current, parsePatch(document, config.maxPatchOperations));
          refuseTooMany(settings, config);
          refuseForeign(caller, settings, current);
          return updateSettings(trx, id, settings, clock.now());
        });
        return ok(imageView(image));
      }),
    ),
    route(
      'DELETE',
      '/v2/images/:id',
      asCaller(service, async ({ params: { id = '' } }, caller) => {
        await db.transaction(async (trx: Knex) => {
          const image = await changeableImage(trx, caller, id, await lockImage(trx, id));
          if (image.protected) throw forbidden(`Image ${id} is protected and cannot be deleted.`);
          if (!(await deleteImage(trx, id))) throw missing(id);
        });
        // After the commit: a crash here leaves a file that the next start removes.
        await store.remove(id);
        return noContent;
      }),
    ),
  ];
}

/** What a new image is when nothing is said. */
const fresh = (caller: Caller): Settings => ({
  name: null,
  visibility: 'shared',
  protected: false,
  os_hidden: false,
  owner: caller.projectId ?? null,
  container_format: null,
  disk_format: null,
  min_disk: 0,
  min_ram: 0,
  tags: [],
  properties: {},
});

/** Throws HttpError 403 when somebody who is no administrator publishes an image or gives it away. */
function refuseForeign(caller: Caller, settings: Settings, before: Settings): void {
  if (isAdmin(caller)) return;
  if (settings.visibility === 'public' && before.visibility !== 'public')
    throw forbidden('You are not authorized to complete publicize_image action.');
  if (settings.owner !== before.owner) throw forbidden("You are not permitted to change the attribute 'owner'.");
}

function address({ query }: Request, marker: string | undefined): string {
  const search = new URLSearchParams(query);
  search.delete('marker');
  if (marker !== undefined) search.set('marker', marker);
  return `/v2/images${search.size === 0 ? '' : `?${search.toString()}`}`;
}
