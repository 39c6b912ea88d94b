import type { Knex } from 'knex';
import type { Content, Image, Settings, Status } from './image.ts';

/** Rows of images and members. Every change of an image's status names the one it expects. */
interface ImageRow extends Omit<Image, 'size' | 'virtual_size'> {
  readonly size: string | null;
  readonly virtual_size: string | null;
}

export const fromRow = (row: ImageRow): Image => ({
  ...row,
  size: row.size === null ? null : Number(row.size),
  virtual_size: row.virtual_size === null ? null : Number(row.virtual_size),
});

const settingColumns = (settings: Settings) => ({
  name: settings.name,
  visibility: settings.visibility,
  protected: settings.protected,
  os_hidden: settings.os_hidden,
  owner: settings.owner,
  container_format: settings.container_format,
  disk_format: settings.disk_format,
  min_disk: settings.min_disk,
  min_ram: settings.min_ram,
  tags: JSON.stringify(settings.tags),
  properties: JSON.stringify(settings.properties),
});

export async function findImage(db: Knex, id: string): Promise<Image | undefined> {
  const row = await db('image_images').where({ id }).first<ImageRow | undefined>();
  return row === undefined ? undefined : fromRow(row);
}

/** The image, kept from changes by others until the transaction ends. */
export async function lockImage(trx: Knex, id: string): Promise<Image | undefined> {
  const row = await trx('image_images').where({ id }).forUpdate().first<ImageRow | undefined>();
  return row === undefined ? undefined : fromRow(row);
}

/** Throws the database's duplicate error when the id is taken. */
export async function insertImage(db: Knex, id: string, settings: Settings, now: number): Promise<Image> {
  const at = new Date(now);
  const [row] = await db('image_images').insert({ id, ...settingColumns(settings), created_at: at, updated_at: at }, '*');
  return fromRow(row as ImageRow);
}

export async function updateSettings(db: Knex, id: string, settings: Settings, now: number): Promise<Image> {
  const [row] = await db('image_images')
    .where({ id })
    .update({ ...settingColumns(settings), updated_at: new Date(now) }, '*');
  return fromRow(row as ImageRow);
}

/** False when the image is not in that status any more, or gone. */
export async function moveImage(
  db: Knex,
  id: string,
  move: { from: Status; to: Status; content?: Content; now: number },
): Promise<boolean> {
  const changed = await db('image_images')
    .where({ id, status: move.from })
    .update({ status: move.to, updated_at: new Date(move.now), ...move.content });
  return changed > 0;
}

export const deleteImage = async (db: Knex, id: string): Promise<boolean> => (await db('image_images').where({ id }).delete()) > 0;

/** Uploads that died with the process may be tried again. */
export const requeueInterrupted = (db: Knex): Promise<number> =>
  db('image_images').where({ status: 'saving' }).update({ status: 'queued' });

/** Which of these ids have a file that belongs to them. */
export async function idsWithContent(db: Knex, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await db('image_images').whereIn('id', ids).whereNotNull('checksum').select<{ id: string }[]>('id');
  return new Set(rows.map(({ id }) => id));
}

export async function bytesOfProject(db: Knex, owner: string): Promise<number> {
  const row = await db('image_images').where({ owner }).sum<{ sum: string | null }[]>({ sum: 'size' });
  return Number(row[0]?.sum ?? 0);
}

export interface Member {
  readonly image_id: string;
  readonly member_id: string;
  readonly status: 'pending' | 'accepted' | 'rejected';
  readonly created_at: Date;
  readonly updated_at: Date;
}

export const membersOf = (db: Knex, imageId: string): Promise<Member[]> =>
  db('image_members').where({ image_id: imageId }).orderBy('created_at').orderBy('member_id');

export const findMember = (db: Knex, imageId: string, memberId: string): Promise<Member | undefined> =>
  db('image_members').where({ image_id: imageId, member_id: memberId }).first<Member | undefined>();
