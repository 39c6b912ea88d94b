import type { Knex } from 'knex';
import { forbidden, notFound } from '../http/error.ts';
import { isAdmin, refuseReader, type Caller } from './caller.ts';
import type { Image } from './image.ts';
import { findMember } from './images.ts';

/** Who may see and change an image. What one may not see does not exist: 404 comes before 403. */
export const missing = (id: string) => notFound(`No image found with ID ${id}`);

export const owns = (caller: Caller, image: Image) => isAdmin(caller) || (image.owner !== null && image.owner === caller.projectId);

async function sees(db: Knex, caller: Caller, image: Image): Promise<boolean> {
  if (owns(caller, image) || image.visibility === 'public' || image.visibility === 'community') return true;
  if (image.visibility !== 'shared' || caller.projectId === undefined) return false;
  return (await findMember(db, image.id, caller.projectId)) !== undefined;
}

/** Throws HttpError 404 for an image that is not there or not for the caller. */
export async function visibleImage(db: Knex, caller: Caller, id: string, found: Image | undefined): Promise<Image> {
  if (found === undefined || !(await sees(db, caller, found))) throw missing(id);
  return found;
}

/** Throws HttpError 404 like `visibleImage`, and 403 for an image that belongs to others. */
export async function changeableImage(db: Knex, caller: Caller, id: string, found: Image | undefined): Promise<Image> {
  const image = await visibleImage(db, caller, id, found);
  refuseReader(caller);
  if (!owns(caller, image)) throw forbidden('You do not own this image.');
  return image;
}
