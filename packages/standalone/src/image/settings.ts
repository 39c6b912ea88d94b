import { forbidden, tooLarge } from '../http/error.ts';
import { flagOf, integerOf, optionalText, refuse, textOf, textsOf } from '../http/input.ts';
import type { ImageConfig } from './config.ts';
import { CONTAINER_FORMATS, DISK_FORMATS, VISIBILITIES, type Settings } from './image.ts';

/** How each field is read from untrusted JSON. Everything that is not named here or fixed is a further property. */
type Reader<T> = (value: unknown, where: string) => T;

const oneOf =
  <const T extends string>(values: readonly T[]): Reader<T> =>
  (value, where) => {
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw refuse(where, `one of ${values.join(', ')}`, value);
    return found;
  };
const orNull =
  <T>(read: Reader<T>): Reader<T | null> =>
  (value, where) =>
    value === null ? null : read(value, where);

export const SETTINGS: { readonly [Key in keyof Omit<Settings, 'properties'>]: Reader<Settings[Key]> } = {
  name: (value, where) => optionalText(value, where) ?? null,
  visibility: oneOf(VISIBILITIES),
  protected: flagOf,
  os_hidden: flagOf,
  owner: (value, where) => optionalText(value, where) ?? null,
  container_format: orNull(oneOf(CONTAINER_FORMATS)),
  disk_format: orNull(oneOf(DISK_FORMATS)),
  min_disk: (value, where) => integerOf(value, where),
  min_ram: (value, where) => integerOf(value, where),
  tags: (value, where) => [...new Set(textsOf(value, where, { maxItems: 100_000 }))],
};

export const isSetting = (key: string): key is keyof typeof SETTINGS => Object.hasOwn(SETTINGS, key);

/** Fields that only the service writes, and names that no property may take. */
const READ_ONLY = new Set([
  'id',
  'status',
  'created_at',
  'updated_at',
  'size',
  'virtual_size',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'self',
  'file',
  'schema',
  'direct_url',
  'locations',
  'stores',
]);
const RESERVED = new Set(['is_public', 'location', 'deleted', 'deleted_at', '__proto__', 'properties']);

/** Throws HttpError 403 for a field that clients may not write. */
export function refuseFixed(key: string): void {
  if (READ_ONLY.has(key)) throw forbidden(`Attribute '${key}' is read-only.`);
  if (RESERVED.has(key)) throw forbidden(`Attribute '${key}' is reserved.`);
}

/** One change to the settings: `value` undefined takes a further property away. */
export function withSetting(settings: Settings, key: string, value: unknown): Settings {
  if (isSetting(key)) return { ...settings, [key]: SETTINGS[key](value, key) };
  const properties = { ...settings.properties };
  if (value === undefined) delete properties[key];
  else properties[textOf(key, 'the name of a property', { min: 1 })] = textOf(value, key, { max: 65_535 });
  return { ...settings, properties };
}

/** Throws HttpError 413 when there is more than the configuration allows. */
export function refuseTooMany({ tags, properties }: Settings, config: Pick<ImageConfig, 'maxTags' | 'maxProperties'>): void {
  const count = Object.keys(properties).length;
  if (count > config.maxProperties) throw tooLarge(`The limit of ${config.maxProperties} properties is exceeded: found ${count}.`);
  if (tags.length > config.maxTags) throw tooLarge(`The limit of ${config.maxTags} tags is exceeded: found ${tags.length}.`);
}
