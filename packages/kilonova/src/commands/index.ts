import type { Command } from '../cli/command.ts';

/** In the order of the overview. A process loads the command that it runs, and no code of other services. */
const loaders: readonly (readonly [name: string, load: () => Promise<Command>])[] = [
  ['up', async () => (await import('./up.ts')).up],
  ['processes', async () => (await import('./processes.ts')).processes],
  ['api', async () => (await import('./api.ts')).api],
  ['conductor', async () => (await import('./conductor.ts')).conductor],
  ['scheduler', async () => (await import('./scheduler.ts')).scheduler],
  ['compute', async () => (await import('./compute.ts')).compute],
  ['standalone', async () => (await import('./standalone.ts')).standalone],
  ['db migrate', async () => (await import('./db-migrate.ts')).dbMigrate],
  ['db seed', async () => (await import('./db-seed.ts')).dbSeed],
  ['broker definitions', async () => (await import('./broker-definitions.ts')).brokerDefinitionsCommand],
  ['config', async () => (await import('./config.ts')).config],
  ['doctor', async () => (await import('./doctor.ts')).doctor],
  ['doctor rabbitmq', async () => (await import('./doctor-rabbitmq.ts')).doctorRabbitmq],
  ['strays', async () => (await import('./strays.ts')).strays],
  ['strays adopt', async () => (await import('./strays.ts')).straysAdopt],
  ['strays release', async () => (await import('./strays.ts')).straysRelease],
  ['bench', async () => (await import('./bench.ts')).bench],
];

/** The one command that is meant, or all of them when none is. */
export function commandsFor(args: readonly string[]): Promise<readonly Command[]> {
  if (args[0] === '--version') return Promise.resolve([]);
  const [first, second] = args[0] === 'help' ? args.slice(1) : args;
  const meant = loaders.filter(([name]) => name === first || name === `${first} ${second}`);
  return Promise.all((meant.length > 0 ? meant : loaders).map(([, load]) => load()));
}
