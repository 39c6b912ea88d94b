import type { Random } from '@kilonova/runtime';
import type { Cloud } from './cloud.ts';

/** What every server of a run is made of. */
export interface Recipe {
  readonly imageId: string;
  readonly flavorId: string;
}

/** An image and a flavor by id or name, where one was asked for; else the first image and the smallest flavor. */
export interface Wishes {
  readonly image?: string;
  readonly flavor?: string;
}

export interface ListedServer {
  readonly id: string;
  readonly name: string;
}

interface FlavorRow extends ListedServer {
  readonly ram: number;
  readonly disk: number;
}

const PAGE = 1_000;

/** @throws Error when the cloud has no such image or flavor */
export async function chooseRecipe(cloud: Cloud, wishes: Wishes = {}): Promise<Recipe> {
  const wanted = <Row extends ListedServer>(rows: readonly Row[], wish: string | undefined, what: string): Row => {
    const row = rows.find(({ id, name }) => wish === undefined || wish === id || wish === name);
    if (row === undefined) throw new Error(`the cloud has no ${what}${wish === undefined ? '' : ` ${JSON.stringify(wish)}`}`);
    return row;
  };
  const { body } = await cloud.ask<{ flavors: readonly FlavorRow[] }>('/flavors/detail');
  const flavors = body.flavors.toSorted((a, b) => a.ram - b.ram || a.disk - b.disk);
  const flavorId = wanted(flavors, wishes.flavor, 'flavor').id;
  if (cloud.imageUrl === undefined) {
    if (wishes.image === undefined) throw new Error('the catalog has no image service: name the id of an image with --image');
    return { flavorId, imageId: wishes.image };
  }
  const images = await cloud.ask<{ images: readonly ListedServer[] }>('/v2/images?limit=1000', {}, cloud.imageUrl);
  return { flavorId, imageId: wanted(images.body.images, wishes.image, 'image').id };
}

/** What the names of a run's servers begin with: no two runs share one. */
export const freshPrefix = (random: Random): string => `bench-${random.text(8).toLowerCase()}-`;

/** @returns the id; of the first one when there are several */
export async function createServer(
  cloud: Cloud,
  { imageId, flavorId }: Recipe,
  name: string,
  { count = 1, signal }: { readonly count?: number; readonly signal?: AbortSignal } = {},
): Promise<string> {
  const server = {
    name,
    imageRef: imageId,
    flavorRef: flavorId,
    networks: 'none',
    ...(count > 1 && { min_count: count, max_count: count }),
  };
  const { body } = await cloud.ask<{ server: { id: string } }>('/servers', {
    method: 'POST',
    body: { server },
    ...(signal !== undefined && { signal }),
  });
  return body.server.id;
}

/** Gone already is as good. */
export async function deleteServer(cloud: Cloud, id: string, signal?: AbortSignal): Promise<void> {
  await cloud.ask(`/servers/${id}`, { method: 'DELETE', also: [404], ...(signal !== undefined && { signal }) });
}

export interface Listing {
  readonly servers: readonly ListedServer[];
  /** Requests that it took. */
  readonly pages: number;
  /** The server's clock at the first page. */
  readonly date: number;
}

/** Every server whose name begins with the prefix, page by page; `query` narrows it: `status=ACTIVE`. */
export async function listServers(cloud: Cloud, prefix: string, query = '', signal?: AbortSignal): Promise<Listing> {
  const servers: ListedServer[] = [];
  let date = Number.NaN;
  for (let [pages, marker] = [1, '']; ; pages += 1) {
    const answer = await cloud.ask<{ servers: readonly ListedServer[]; servers_links?: readonly unknown[] }>(
      `/servers?name=${prefix}&limit=${PAGE}${query === '' ? '' : `&${query}`}${marker === '' ? '' : `&marker=${marker}`}`,
      signal === undefined ? {} : { signal },
    );
    if (pages === 1) date = answer.date;
    const page = answer.body.servers;
    // A cloud may take the name as a pattern that matches anywhere.
    servers.push(...page.filter(({ name }) => name.startsWith(prefix)));
    if (page.length === 0 || answer.body.servers_links === undefined) return { servers, pages, date };
    marker = page.at(-1)!.id;
  }
}
