import { removeSeed, seedDatabase } from '@kilonova/conductor';
import { UsageError, type Command } from '../cli/command.ts';
import { onDatabase } from '../config/database-address.ts';
import { configFor, configOptions } from '../config/options.ts';

const MAX_SERVERS = 10_000_000;
/** As identity services give them. */
const ID = /^[A-Za-z0-9._-]{1,64}$/;

export const dbSeed: Command = {
  name: 'db seed',
  summary: 'Fill the database of a test cloud with servers.',
  details: `For measuring a large cloud ("kilonova bench large"). Servers are ACTIVE, some SHUTOFF or in ERROR, on hosts of their own that are down and
disabled. A second run adds to them. Refused where servers are that were not seeded. The project's quota counts them.`,
  options: {
    servers: { value: 'N', help: 'How many to add.', default: '100000' },
    project: { value: 'ID', help: 'Whose they are, by its id. Several share them equally.', repeated: true },
    user: { value: 'ID', help: 'Who made them.', default: 'seeded' },
    remove: { help: 'Take all seeded servers and their hosts away instead, of all projects.' },
    ...configOptions,
  },
  async run(given) {
    const { database } = configFor(given);
    if (given.switch('remove')) {
      const unused = ['servers', 'project', 'user'].filter((name) => given.switch(name));
      if (unused.length > 0)
        throw new UsageError(`--remove takes all seeded servers away, whoever has them: --${unused.join(', --')} cannot be given with it`);
      process.stdout.write(`${await onDatabase(database, () => removeSeed(database))} seeded servers removed\n`);
      return 0;
    }
    const projectIds = given.all('project');
    if (projectIds.length === 0) throw new UsageError('--project is missing: the id of the project whose servers they shall be');
    const userId = given.text('user') ?? '';
    for (const id of [...projectIds, userId])
      if (!ID.test(id))
        throw new UsageError(`--project, --user: expected an id (letters, digits, ".", "_" and "-"), found ${JSON.stringify(id)}`);
    const { servers, total } = await onDatabase(database, () =>
      seedDatabase(database, {
        ...{ projectIds, userId },
        servers: given.number('servers', { min: 1, max: MAX_SERVERS }) ?? 1,
        onProgress: (done) => {
          if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${done} servers`);
        },
      }),
    );
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    process.stdout.write(`${servers} servers added, ${total} seeded servers in all\n`);
    return 0;
  },
};
