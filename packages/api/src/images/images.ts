import { Image } from '@kilonova/objects';
import type { Clock } from '@kilonova/runtime';
import { BoundedCache } from '../cache/bounded-cache.ts';
import type { ImageClientConfig } from '../config.ts';
import { badRequest } from '../http/api-error.ts';
import { endpointOf, type Caller } from '../identity/caller.ts';
import { JsonClient, UpstreamUnavailable } from '../upstream/json-client.ts';

/** Keys of an image (Image API v2) that are no properties of it. */
const ownKeys = new Set([
  'id',
  'name',
  'status',
  'visibility',
  'protected',
  'owner',
  'container_format',
  'disk_format',
  'min_disk',
  'min_ram',
  'size',
  'virtual_size',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'os_hidden',
  'tags',
  'created_at',
  'updated_at',
  'self',
  'file',
  'schema',
  'locations',
  'direct_url',
  'stores',
]);

interface FoundImage {
  readonly image: Image;
  readonly status: string;
}

const numberOf = (value: unknown) => (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0);
const textOf = (value: unknown) => (typeof value === 'string' ? value : null);

function imageFrom(document: Readonly<Record<string, unknown>>): Image {
  const properties = Object.entries(document).flatMap(([key, value]) =>
    ownKeys.has(key) || typeof value !== 'string' ? [] : [[key, value] as const],
  );
  return Object.assign(new Image(), {
    id: String(document['id']),
    name: textOf(document['name']),
    minDiskGb: numberOf(document['min_disk']),
    minRamMb: numberOf(document['min_ram']),
    size: numberOf(document['size']),
    diskFormat: textOf(document['disk_format']),
    containerFormat: textOf(document['container_format']),
    properties: Object.fromEntries(properties),
  });
}

/** Looks images up with the caller's own token, so that he finds what he may see; active ones are believed for a while. */
export class Images {
  readonly #config: ImageClientConfig;
  readonly #client: JsonClient;
  readonly #found: BoundedCache<FoundImage | null>;

  constructor(config: ImageClientConfig, { clock }: { readonly clock: Clock }) {
    this.#config = config;
    this.#client = new JsonClient({ name: 'the image service', clock, ...config });
    this.#found = new BoundedCache(clock, config.cacheSize);
  }

  /**
   * The image, ready to boot from.
   * @throws ApiError 400 when there is none that the caller may see, it is not active, or the image service refuses the token
   * @throws UpstreamUnavailable
   */
  async bootable(caller: Caller, id: string): Promise<Image> {
    const key = `${caller.projectId} ${caller.userId} ${id.toLowerCase()}`;
    const found = await this.#found.get(
      key,
      (one) => (one?.status === 'active' ? this.#config.cacheMs : 0),
      () => this.#find(caller, id),
    );
    if (found === null) throw badRequest('Can not find requested image');
    if (found.status !== 'active') throw badRequest(`Image ${id} is not active.`);
    return found.image;
  }

  async #find(caller: Caller, id: string): Promise<FoundImage | null> {
    const { url, region } = this.#config;
    const endpoint = url === '' ? endpointOf(caller, 'image', region) : url;
    if (endpoint === undefined) throw new UpstreamUnavailable('the catalog of the token has no image service');
    const root = endpoint.replace(/\/+$/, '').replace(/\/v2$/, '');
    const { status, body } = await this.#client.ask(`${root}/v2/images/${encodeURIComponent(id)}`, {
      headers: { 'X-Auth-Token': caller.token },
    });
    if (status === 404 || status === 403) return null;
    // The token ended since it was checked; asking again with it helps nobody.
    if (status === 401) throw badRequest(`Not authorized for image ${id}.`);
    const document = body as Readonly<Record<string, unknown>> | undefined;
    if (status !== 200 || typeof document?.['id'] !== 'string') throw new UpstreamUnavailable(`the image service answered ${status}`);
    return { image: imageFrom(document), status: textOf(document['status']) ?? '' };
  }
}
