import type { Knex } from 'knex';
import { isDuplicate } from '../../database/failure.ts';
import { conflict, forbidden, notFound, tooLarge } from '../../http/error.ts';
import { fields, refuse, textOf } from '../../http/input.ts';
import { noContent, ok, route, type Route } from '../../http/route.ts';
import { changeableImage, owns, visibleImage } from '../access.ts';
import { isAdmin, refuseReader, type Caller } from '../caller.ts';
import type { Image } from '../image.ts';
import { findImage, findMember, lockImage, membersOf, type Member } from '../images.ts';
import { asCaller, type ImageService } from '../service.ts';

const STATUSES = ['pending', 'accepted', 'rejected'] as const;

const view = (member: Member) => ({
  member_id: member.member_id,
  image_id: member.image_id,
  status: member.status,
  created_at: `${member.created_at.toISOString().slice(0, 19)}Z`,
  updated_at: `${member.updated_at.toISOString().slice(0, 19)}Z`,
  schema: '/v2/schemas/member',
});

/** The projects that an image is shared with. The owner invites, the member answers. */
export function memberRoutes(service: ImageService): readonly Route[] {
  const { db, config, clock } = service;
  const refuseUnshared = (image: Image) => {
    if (image.visibility !== 'shared') throw forbidden('Only shared images have members.');
  };
  /** A member sees only itself in the list. */
  const shownTo = (caller: Caller, image: Image, members: readonly Member[]) =>
    owns(caller, image) ? members : members.filter(({ member_id: id }) => id === caller.projectId);
  const missing = (memberId: string, id: string) => notFound(`${memberId} not found in the member list of the image ${id}.`);

  return [
    route(
      'GET',
      '/v2/images/:id/members',
      asCaller(service, async ({ params: { id = '' } }, caller) => {
        const image = await visibleImage(db, caller, id, await findImage(db, id));
        const members = shownTo(caller, image, await membersOf(db, id));
        if (!owns(caller, image) && members.length === 0) throw notFound(`Image ${id} has no members that you may see.`);
        return ok({ members: members.map(view), schema: '/v2/schemas/members' });
      }),
    ),
    route(
      'POST',
      '/v2/images/:id/members',
      asCaller(service, async (request, caller) => {
        const { id = '' } = request.params;
        const memberId = textOf(fields(await request.json(), 'the body').member, 'member', { min: 1 });
        const at = new Date(clock.now());
        const member = { image_id: id, member_id: memberId, status: 'pending' as const, created_at: at, updated_at: at };
        await db.transaction(async (trx: Knex) => {
          refuseUnshared(await changeableImage(trx, caller, id, await lockImage(trx, id)));
          const others = await membersOf(trx, id);
          if (others.length >= config.maxMembers) throw tooLarge(`The limit of ${config.maxMembers} members is reached.`);
          await trx('image_members')
            .insert(member)
            .catch((error: unknown) => {
              throw isDuplicate(error) ? conflict(`Project ${memberId} is already associated with image ${id}.`) : error;
            });
        });
        return ok(view(member));
      }),
    ),
    route(
      'GET',
      '/v2/images/:id/members/:memberId',
      asCaller(service, async ({ params: { id = '', memberId = '' } }, caller) => {
        const image = await visibleImage(db, caller, id, await findImage(db, id));
        const [member] = shownTo(
          caller,
          image,
          [await findMember(db, id, memberId)].filter((found) => found !== undefined),
        );
        if (member === undefined) throw missing(memberId, id);
        return ok(view(member));
      }),
    ),
    route(
      'PUT',
      '/v2/images/:id/members/:memberId',
      asCaller(service, async (request, caller) => {
        const { id = '', memberId = '' } = request.params;
        const { status } = fields(await request.json(), 'the body');
        if (!STATUSES.some((known) => known === status)) throw refuse('status', `one of ${STATUSES.join(', ')}`, status);
        refuseUnshared(await visibleImage(db, caller, id, await findImage(db, id)));
        refuseReader(caller);
        if (!isAdmin(caller) && caller.projectId !== memberId) throw forbidden('Only the member itself may change its status.');
        const [member] = await db('image_members')
          .where({ image_id: id, member_id: memberId })
          .update({ status, updated_at: new Date(clock.now()) }, '*');
        if (member === undefined) throw missing(memberId, id);
        return ok(view(member as Member));
      }),
    ),
    route(
      'DELETE',
      '/v2/images/:id/members/:memberId',
      asCaller(service, async ({ params: { id = '', memberId = '' } }, caller) => {
        refuseUnshared(await changeableImage(db, caller, id, await findImage(db, id)));
        if ((await db('image_members').where({ image_id: id, member_id: memberId }).delete()) === 0) throw missing(memberId, id);
        return noContent;
      }),
    ),
  ];
}
