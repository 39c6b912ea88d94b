import type { Knex } from 'knex';
import { badRequest, conflict, forbidden, HttpError, tooLarge } from '../../http/error.ts';
import { header, noContent, route, type Request, type Route } from '../../http/route.ts';
import { changeableImage, visibleImage } from '../access.ts';
import { isAdmin } from '../caller.ts';
import type { Image } from '../image.ts';
import { bytesOfProject, findImage, lockImage, moveImage } from '../images.ts';
import { asCaller, type ImageService } from '../service.ts';

/** Upload and download of an image's bytes, streamed both ways. */
export function dataRoutes(service: ImageService): readonly Route[] {
  const { db, clock, store, log } = service;
  return [
    route(
      'PUT',
      '/v2/images/:id/file',
      asCaller(service, async (request, caller) => {
        const { id = '' } = request.params;
        const type = header(request, 'content-type')?.split(';')[0]?.trim();
        const image = await db.transaction(async (trx: Knex) => {
          const found = await changeableImage(trx, caller, id, await lockImage(trx, id));
          if (type !== 'application/octet-stream') throw new HttpError(415, 'Unsupported media type: expected application/octet-stream.');
          if (found.status !== 'queued') throw conflict(`Image status transition from ${found.status} to saving is not allowed.`);
          if (found.disk_format === null || found.container_format === null)
            throw badRequest('Properties disk_format, container_format must be set prior to saving data.');
          await moveImage(trx, id, { from: 'queued', to: 'saving', now: clock.now() });
          return found;
        });
        try {
          const room = await roomFor(service, image, request);
          const content = await store.write(id, request.body, { maxBytes: room, diskFormat: image.disk_format });
          if (!(await moveImage(db, id, { from: 'saving', to: 'active', content, now: clock.now() }))) {
            await store.remove(id);
            throw new HttpError(410, `Image ${id} was deleted while its data arrived.`);
          }
          log.info({ imageId: id, bytes: content.size }, 'image stored');
          return noContent;
        } catch (error) {
          // A database that is gone leaves it in saving; the next start makes it queued.
          await moveImage(db, id, { from: 'saving', to: 'queued', now: clock.now() }).catch(() => false);
          throw error;
        }
      }),
    ),
    route(
      'GET',
      '/v2/images/:id/file',
      asCaller(service, async (request, caller) => {
        const { id = '' } = request.params;
        const image = await visibleImage(db, caller, id, await findImage(db, id));
        if (image.status === 'deactivated' && !isAdmin(caller))
          throw forbidden('The requested image has been deactivated. Image data download is forbidden.');
        const { size, checksum } = image;
        if (size === null || size === 0 || checksum === null) return noContent;
        const range = rangeOf(header(request, 'range'), size);
        const { start, end } = range ?? { start: 0, end: size - 1 };
        return {
          status: range === undefined ? 200 : 206,
          headers: {
            'Content-Type': 'application/octet-stream',
            'Content-Length': String(end - start + 1),
            'Accept-Ranges': 'bytes',
            ...(range === undefined ? { 'Content-MD5': checksum } : { 'Content-Range': `bytes ${start}-${end}/${size}` }),
          },
          stream: await store.read(id, { start, end }),
        };
      }),
    ),
  ];
}

/** Bytes that this upload may have. Throws HttpError 413 when the client announces more. */
async function roomFor({ db, config }: ImageService, { owner }: Image, request: Request): Promise<number> {
  const left =
    config.projectBytes === 0 || owner === null ? Infinity : Math.max(0, config.projectBytes - (await bytesOfProject(db, owner)));
  const room = Math.min(config.maxImageBytes, left);
  if (Number(header(request, 'content-length') ?? 0) > room) throw tooLarge(`The image is too large: at most ${room} bytes are taken.`);
  return room;
}

/** One range in bytes. Undefined: the whole. Throws HttpError 416 for one that the image does not have. */
function rangeOf(value: string | undefined, size: number): { readonly start: number; readonly end: number } | undefined {
  if (value === undefined) return undefined;
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(value.trim()) ?? [];
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if ((first === '' && last === '') || start > end)
    throw new HttpError(416, `The range ${value} is not in this image.`, { headers: { 'Content-Range': `bytes */${size}` } });
  return { start, end };
}
