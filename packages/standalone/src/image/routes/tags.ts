import type { Knex } from 'knex';
import { forbidden, notFound } from '../../http/error.ts';
import { textOf } from '../../http/input.ts';
import { noContent, route, type Route } from '../../http/route.ts';
import { changeableImage } from '../access.ts';
import { isAdmin } from '../caller.ts';
import { lockImage, moveImage, updateSettings } from '../images.ts';
import { asCaller, type ImageService } from '../service.ts';
import { refuseTooMany } from '../settings.ts';

/** Single tags, and what an administrator does to an image's availability. */
export function tagRoutes(service: ImageService): readonly Route[] {
  const { db, config, clock } = service;
  const change = (act: (tags: readonly string[], tag: string) => readonly string[]) =>
    asCaller(service, async ({ params: { id = '', tag = '' } }, caller) => {
      await db.transaction(async (trx: Knex) => {
        const image = await changeableImage(trx, caller, id, await lockImage(trx, id));
        const settings = { ...image, tags: act(image.tags, textOf(tag, 'the tag', { min: 1 })) };
        refuseTooMany(settings, config);
        await updateSettings(trx, id, settings, clock.now());
      });
      return noContent;
    });
  const move = (from: 'active' | 'deactivated', to: 'active' | 'deactivated') =>
    asCaller(service, async ({ params: { id = '' } }, caller) => {
      await db.transaction(async (trx: Knex) => {
        const { status } = await changeableImage(trx, caller, id, await lockImage(trx, id));
        if (!isAdmin(caller)) throw forbidden('You are not authorized to complete this action.');
        if (status === to) return;
        if (!(await moveImage(trx, id, { from, to, now: clock.now() })))
          throw forbidden(`Image status transition from ${status} to ${to} is not allowed.`);
      });
      return noContent;
    });

  return [
    route(
      'PUT',
      '/v2/images/:id/tags/:tag',
      change((tags, tag) => [...new Set([...tags, tag])]),
    ),
    route(
      'DELETE',
      '/v2/images/:id/tags/:tag',
      change((tags, tag) => {
        if (!tags.includes(tag)) throw notFound(`The image has no tag ${tag}.`);
        return tags.filter((other) => other !== tag);
      }),
    ),
    route('POST', '/v2/images/:id/actions/deactivate', move('active', 'deactivated')),
    route('POST', '/v2/images/:id/actions/reactivate', move('deactivated', 'active')),
  ];
}
