/** A page of a long list reads little more than what it shows, whatever it is filtered and sorted by: rows are counted, not times. */
import { ListServers, ServerFilters } from '@kilonova/objects';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { anAdmin, aScope } from '../testing/services.ts';
import { rowsOf } from './rows.ts';
import { seedDatabase } from './seed/seed.ts';
import { pageStatement, serverNamePage } from './server-list.ts';
import { SERVER_SELECT } from './server-rows.ts';

const SERVERS = 6_000;
const PAGE = 10;
/**
 * A list in an order that has nothing to do with its filter is read in that order until the page is full, or from all that
 * match: whichever is less, which at its worst is the mean of a page and the table. A plan that ignores one reads the table.
 */
const MOST_ROWS = 4 * Math.sqrt(SERVERS * PAGE);

let database: FreshDatabase;
const view = { defaultZone: 'nova', serviceDownMs: 60_000 };

beforeAll(async () => {
  database = await freshDatabase();
  await seedDatabase(database.config, { servers: SERVERS, projectIds: ['demo'], userId: 'ann' });
  // Each value that few servers have.
  await database.knex.raw(
    `update instances set locked = true, config_drive = true, disk_config = 'AUTO', description = 'odd', key_name = 'odd', task_state = 'rebooting',
       access_ip_v4 = '10.0.0.1', access_ip_v6 = '::1', kernel_id = 'odd', ramdisk_id = 'odd', root_device_name = 'odd', progress = 50,
       terminated_at = created_at, hostname = 'odd', name = 'odd', user_id = 'odd', image_id = 'odd', flavor_id = 'odd', tags = '{odd}', metadata = '{"odd": "yes"}'
     where number % 1000 = 7`,
  );
  await database.knex.raw(
    `update instances set host = null, node = null, availability_zone = 'far', vm_state = 'building', power_state = 0 where number % 1000 = 9`,
  );
  await database.knex.raw(
    `update instances set vm_state = 'deleted', deleted_at = kilonova_now(), host = null, node = null where number % 1000 = 11`,
  );
  await database.knex.raw('vacuum analyze instances');
});
afterAll(() => database.close());

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly Node[];
}

/** Rows, or entries of an index, of `instances` that were looked at. */
function rowsRead(node: Node): number {
  const below = (node.Plans ?? []).reduce((sum, inner) => sum + rowsRead(inner), 0);
  if (node['Relation Name'] !== 'instances' && node['Node Type'] !== 'Bitmap Index Scan') return below;
  const own = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  return below + own * (node['Actual Loops'] ?? 1);
}

interface Asked {
  readonly sort: string;
  readonly direction: string;
  readonly everyProject?: boolean;
  readonly filters?: Partial<ServerFilters>;
  readonly marker?: string | null;
}

const request = ({ sort, direction, everyProject = false, filters = {}, marker = null }: Asked): ListServers =>
  Object.assign(new ListServers(), {
    ...{ scope: everyProject ? anAdmin() : aScope({ projectId: 'demo' }), marker, limit: PAGE },
    ...{ filters: Object.assign(new ServerFilters(), { deleted: false }, filters), sortKeys: [sort], sortDirections: [direction] },
  });

async function readBy(asked: Asked): Promise<number> {
  const { sql, bindings } = await pageStatement(database.knex, view, request(asked), PAGE, SERVER_SELECT);
  const rows = await rowsOf<{ 'QUERY PLAN': readonly [{ readonly Plan: Node }] }>(
    database.knex,
    `explain (analyze, timing off, format json) ${sql}`,
    bindings,
  );
  return rowsRead(rows[0]!['QUERY PLAN'][0].Plan);
}

// The zone is not in the row; without it these are the sort keys of the API.
const sorts = [
  ...['access_ip_v4', 'access_ip_v6', 'auto_disk_config', 'config_drive', 'created_at', 'display_description', 'display_name', 'host'],
  ...['hostname', 'image_ref', 'instance_type_id', 'kernel_id', 'key_name', 'launch_index', 'launched_at', 'locked', 'node', 'power_state'],
  ...[
    'progress',
    'project_id',
    'ramdisk_id',
    'root_device_name',
    'task_state',
    'terminated_at',
    'updated_at',
    'user_id',
    'uuid',
    'vm_state',
  ],
];
const directions = ['asc', 'desc'] as const;

describe.each(sorts)('a page sorted by %s', (sort) => {
  test.each(directions)(
    'reads few rows, %s, of one project and of all, from the start and from a marker in the middle',
    async (direction) => {
      for (const everyProject of [false, true]) {
        const asked = { sort, direction, everyProject };
        expect(await readBy(asked), everyProject ? 'all projects' : 'one project').toBeLessThan(MOST_ROWS);
        const half = await serverNamePage(database.knex, view, request(asked), SERVERS / 2);
        expect(await readBy({ ...asked, marker: half.at(-1)!.uuid }), 'behind a marker').toBeLessThan(MOST_ROWS);
      }
    },
  );
});

/** Values that few or no servers have. Not here: a regular expression without a fixed beginning, and tags that are not to be there. */
const selective: Partial<ServerFilters> = {
  ...{
    name: '^odd$',
    hostnames: ['odd'],
    descriptions: ['odd'],
    keyNames: ['odd'],
    userIds: ['odd'],
    imageIds: ['odd'],
    flavorIds: ['odd'],
  },
  ...{ configDrive: true, diskConfig: 'AUTO', locked: true, accessIpV4: '10.0.0.1', accessIpV6: '::1', progress: 50, launchIndexes: [77] },
  ...{ hosts: ['nowhere'], nodes: ['nowhere'], reservationIds: ['seeded-1'], uuids: ['00000000-0000-4000-8000-000000000000'] },
  ...{ createdAt: '2020-01-01T00:00:00Z', launchedAt: '2020-01-01T00:00:00Z', terminatedAt: '2020-01-01T00:00:00Z' },
  ...{ changesSince: '2999-01-01T00:00:00Z', changesBefore: '2001-01-01T00:00:00Z', deleted: true },
  ...{ vmStates: ['building'], taskStates: ['rebooting'], powerStates: [3], statuses: ['REBOOT', 'BUILD'], availabilityZones: ['far'] },
  ...{ tags: ['odd'], tagsAny: ['odd', 'other'], metadata: { odd: 'yes' } },
};
/** Values that most servers have. */
const common: Partial<ServerFilters> = {
  ...{ name: 'seed', userIds: ['ann'], configDrive: false, diskConfig: 'MANUAL', locked: false, powerStates: [1], vmStates: ['active'] },
  ...{ taskStates: [null], statuses: ['ACTIVE'], availabilityZones: ['nova'], tags: ['seeded'], tagsAny: ['seeded'], notTags: ['odd'] },
  ...{ notTagsAny: ['odd'], changesBefore: '2999-01-01T00:00:00Z', metadata: { role: 'web' }, flavorIds: ['1'] },
};
const filters = [
  ...Object.entries(selective).map(([filter, value]) => ({ filter, which: 'few', value })),
  ...Object.entries(common).map(([filter, value]) => ({ filter, which: 'many', value })),
];

test.each(filters)('a page filtered by $filter, which $which servers match, reads few rows in any order', async ({ filter, value }) => {
  for (const sort of sorts) {
    const read = await readBy({ sort, direction: 'desc', filters: { [filter]: value } });
    expect(read, `sorted by ${sort}`).toBeLessThan(MOST_ROWS);
  }
  expect(await readBy({ sort: 'created_at', direction: 'desc', everyProject: true, filters: { [filter]: value } })).toBeLessThan(MOST_ROWS);
});
