import type { Migration } from '../database/open.ts';

/** The image service's schema. A released migration never changes. */
export const migrations: readonly Migration[] = [
  {
    name: '0001_image',
    up: async (trx) => {
      await trx.raw(`
        create table image_images (
          id text primary key,
          name text,
          status text not null default 'queued' check (status in ('queued', 'saving', 'active', 'deactivated')),
          visibility text not null check (visibility in ('public', 'community', 'shared', 'private')),
          protected boolean not null default false,
          os_hidden boolean not null default false,
          owner text,
          container_format text,
          disk_format text,
          min_disk integer not null default 0 check (min_disk >= 0),
          min_ram integer not null default 0 check (min_ram >= 0),
          size bigint,
          virtual_size bigint,
          checksum text,
          os_hash_algo text,
          os_hash_value text,
          tags jsonb not null default '[]',
          properties jsonb not null default '{}',
          created_at timestamptz not null,
          updated_at timestamptz not null,
          check (status not in ('active', 'deactivated') or (size is not null and checksum is not null))
        );
        create index image_images_created on image_images (created_at desc, id desc);
        create index image_images_owner on image_images (owner);
        create index image_images_name on image_images (name);
        create index image_images_properties on image_images using gin (properties jsonb_path_ops);
        create table image_members (
          image_id text not null references image_images on delete cascade,
          member_id text not null,
          status text not null default 'pending' check (status in ('pending', 'accepted', 'rejected')),
          created_at timestamptz not null,
          updated_at timestamptz not null,
          primary key (image_id, member_id)
        );
        create index image_members_member on image_members (member_id);
      `);
    },
  },
];
