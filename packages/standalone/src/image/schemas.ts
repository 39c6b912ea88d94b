import { CONTAINER_FORMATS, DISK_FORMATS, VISIBILITIES } from './image.ts';

/** JSON Schemas that clients read to learn which fields an image has. */
const text = (maxLength = 255) => ({ type: ['null', 'string'], maxLength });
const fixed = (type: string | readonly string[]) => ({ type, readOnly: true });

const imageProperties = {
  id: { type: 'string', pattern: '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$' },
  name: text(),
  status: {
    ...fixed('string'),
    enum: ['queued', 'saving', 'active', 'killed', 'deleted', 'uploading', 'importing', 'pending_delete', 'deactivated'],
  },
  visibility: { type: 'string', enum: VISIBILITIES },
  protected: { type: 'boolean' },
  os_hidden: { type: 'boolean' },
  checksum: fixed(['null', 'string']),
  os_hash_algo: fixed(['null', 'string']),
  os_hash_value: fixed(['null', 'string']),
  owner: text(),
  size: fixed(['null', 'integer']),
  virtual_size: fixed(['null', 'integer']),
  container_format: { type: ['null', 'string'], enum: [null, ...CONTAINER_FORMATS] },
  disk_format: { type: ['null', 'string'], enum: [null, ...DISK_FORMATS] },
  created_at: fixed('string'),
  updated_at: fixed('string'),
  tags: { type: 'array', items: { type: 'string', maxLength: 255 } },
  direct_url: fixed('string'),
  min_ram: { type: 'integer' },
  min_disk: { type: 'integer' },
  self: fixed('string'),
  file: fixed('string'),
  schema: fixed('string'),
};
const memberProperties = {
  member_id: { type: 'string' },
  image_id: { type: 'string' },
  status: { type: 'string', enum: ['pending', 'accepted', 'rejected'] },
  created_at: { type: 'string' },
  updated_at: { type: 'string' },
  schema: { type: 'string', readOnly: true },
};

const image = {
  name: 'image',
  properties: imageProperties,
  additionalProperties: { type: 'string' },
  links: [
    { rel: 'self', href: '{self}' },
    { rel: 'enclosure', href: '{file}' },
    { rel: 'describedby', href: '{schema}' },
  ],
};
const member = { name: 'member', properties: memberProperties };

const listOf = (name: string, items: object) => ({
  name,
  properties: { [name]: { type: 'array', items }, first: { type: 'string' }, next: { type: 'string' }, schema: { type: 'string' } },
  links: [
    { rel: 'first', href: '{first}' },
    { rel: 'next', href: '{next}' },
    { rel: 'describedby', href: '{schema}' },
  ],
});

export const schemas: Readonly<Record<string, object>> = {
  image,
  images: listOf('images', image),
  member,
  members: {
    name: 'members',
    properties: { members: { type: 'array', items: member }, schema: { type: 'string' } },
    links: [{ rel: 'describedby', href: '{schema}' }],
  },
};
