import { type ListServers, Server, ServerRevision } from '@kilonova/objects';
import { afterEach, describe, expect, test } from 'vitest';
import { PROJECT, server } from './canned-conductor.ts';
import { startTestApi, type TestApi } from './test-api.ts';

let api: TestApi | undefined;
afterEach(() => api?.stop());

interface View {
  readonly token?: string;
  readonly version?: number;
  readonly front?: string;
}

const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

/** Servers that a test changes, and which of them were asked for whole. */
async function aCloud(count: number, keptServersMb = 1) {
  const rows = new Map(
    Array.from({ length: count }, (_, at) => [
      id(at),
      Object.assign(new Server(), server, { uuid: id(at), name: `s${at}`, revision: '1' }),
    ]),
  );
  const read: string[][] = [];
  /** After their revision was read. */
  const deleted = new Set<string>();
  const inPage = ({ filters, limit }: ListServers) =>
    [...rows.values()].filter(({ uuid }) => filters.uuids?.includes(uuid) ?? true).slice(0, limit);
  api = await startTestApi(
    {
      async *listServerRevisions(_context, asked) {
        yield inPage(asked).map(({ uuid, revision }) => Object.assign(new ServerRevision(), { uuid, revision }));
      },
      async *listServers(_context, asked) {
        const page = inPage(asked).filter(({ uuid }) => !deleted.has(uuid));
        read.push(page.map(({ name }) => name));
        yield page;
      },
    },
    { keptServersMb },
  );
  const list = async (query = '', { front = '/v2.1', ...options }: View = {}) => {
    const { status, body } = await api!.ask('GET', `${front}/servers/detail${query}`, { version: 96, ...options });
    expect(status).toBe(200);
    return body as { servers: Record<string, unknown>[]; servers_links?: { href: string }[] };
  };
  const change = (number: number, changes: Partial<Server>) => {
    const row = rows.get(id(number))!;
    Object.assign(row, changes, { revision: `${Number(row.revision) + 1}` });
  };
  return { read, deleted, list, change };
}

describe('GET /servers/detail by revisions', () => {
  test('reads whole only what changed, and shows it all in its order', async () => {
    const { read, list, change } = await aCloud(3);
    const first = await list();
    expect(first.servers.map(({ name }) => name)).toEqual(['s0', 's1', 's2']);
    expect(await list()).toEqual(first);
    change(1, { name: 'renamed' });
    expect((await list()).servers.map(({ name }) => name)).toEqual(['s0', 'renamed', 's2']);
    expect(read).toEqual([['s0', 's1', 's2'], ['renamed']]);
  });

  test('shows each caller, version and address what they may see, as without what was kept', async () => {
    const views: View[] = [{}, { token: 'member' }, { version: 1 }, { version: 50 }, { front: `/v2.1/${PROJECT}` }];
    const plain = await aCloud(2, 0);
    const expected = await Promise.all(views.map((view) => plain.list('', view)));
    await api!.stop();
    const { list, read } = await aCloud(2);
    for (let round = 0; round < 2; round += 1)
      for (const [at, view] of views.entries()) expect.soft(withoutPort(await list('', view))).toEqual(withoutPort(expected[at]!));
    expect(read).toHaveLength(views.length);
  });

  test('a server that was deleted between both questions is left out, and the next page still offered', async () => {
    const { deleted, list } = await aCloud(3);
    deleted.add(id(1));
    const page = await list('?limit=2');
    expect(page.servers.map(({ name }) => name)).toEqual(['s0']);
    expect(page.servers_links?.[0]?.href).toContain(`marker=${id(1)}`);
  });

  test('a list by what changes is read in one look', async () => {
    const { read, list } = await aCloud(2);
    await list('?status=ACTIVE');
    await list('?status=ACTIVE');
    expect(read).toHaveLength(2);
  });

  test('keeps no more than it may', async () => {
    const { read, list } = await aCloud(1_000);
    await list();
    await list();
    const [whole, again] = read;
    expect(whole).toHaveLength(1_000);
    // Something was let go of, and something kept.
    expect(again!.length).toBeGreaterThan(0);
    expect(again!.length).toBeLessThan(1_000);
  });
});

/** Both apis listen on a port of their own. */
const withoutPort = (body: object): unknown => JSON.parse(JSON.stringify(body).replaceAll(/127\.0\.0\.1:\d+/g, 'api'));
