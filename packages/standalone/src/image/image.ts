export const VISIBILITIES = ['public', 'community', 'shared', 'private'] as const;
export type Visibility = (typeof VISIBILITIES)[number];
export const CONTAINER_FORMATS = ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed'] as const;
export const DISK_FORMATS = ['ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'ploop', 'iso', 'gpt'] as const;

export type Status = 'queued' | 'saving' | 'active' | 'deactivated';

/** What a client may set. Names are the API's. */
export interface Settings {
  readonly name: string | null;
  readonly visibility: Visibility;
  readonly protected: boolean;
  readonly os_hidden: boolean;
  readonly owner: string | null;
  readonly container_format: string | null;
  readonly disk_format: string | null;
  /** GiB. */
  readonly min_disk: number;
  /** MiB. */
  readonly min_ram: number;
  readonly tags: readonly string[];
  /** Everything else, always text. */
  readonly properties: Readonly<Record<string, string>>;
}

/** What an upload makes known. */
export interface Content {
  /** Bytes. */
  readonly size: number;
  readonly virtual_size: number | null;
  /** MD5, hexadecimal. */
  readonly checksum: string;
  readonly os_hash_algo: 'sha512';
  readonly os_hash_value: string;
}

export interface Image extends Settings {
  readonly id: string;
  readonly status: Status;
  readonly size: number | null;
  readonly virtual_size: number | null;
  readonly checksum: string | null;
  readonly os_hash_algo: string | null;
  readonly os_hash_value: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const timeText = (time: Date) => `${time.toISOString().slice(0, 19)}Z`;

export function imageView({ properties, created_at, updated_at, ...image }: Image): object {
  return {
    // Further properties first: none of them can hide a field of the image itself.
    ...properties,
    ...image,
    created_at: timeText(created_at),
    updated_at: timeText(updated_at),
    self: `/v2/images/${image.id}`,
    file: `/v2/images/${image.id}/file`,
    schema: '/v2/schemas/image',
  };
}
