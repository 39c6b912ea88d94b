import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrateDatabase, reachDatabase } from '@kilonova/conductor';
import {
  createLogger,
  createMetrics,
  FolderInUse,
  lockFolder,
  runUntilSignal,
  systemClock,
  systemRandom,
  type FolderLock,
} from '@kilonova/runtime';
import { onDatabase } from '../config/database-address.ts';
import { numberedHosts } from '../config/hosts.ts';
import type { KilonovaConfig } from '../config/sections.ts';
import { startChild, type Child } from '../process/child.ts';
import { connectBroker } from '../process/transport.ts';
import { writeClientFiles } from '../up/client-files.ts';
import { FirstContents } from '../up/first-contents.ts';
import { keptPasswords } from '../up/state.ts';
import type { ProcessOptions } from './options.ts';
import { planProcesses, type PlannedProcess } from './plan.ts';

/** Runs every service as a child process until a signal; returns the exit code. Nothing is restarted. */
export async function runProcesses(
  options: ProcessOptions,
  config: KilonovaConfig,
  configArgs: readonly string[],
  print: (line: string) => void,
): Promise<number> {
  // Before anything is left behind.
  await onDatabase(config.database, () => reachDatabase(config.database));
  mkdirSync(options.state, { recursive: true, mode: 0o700 });
  const lock = hold(options.state);
  const log = createLogger('processes', config.log.level === 'silent' ? 'silent' : 'warn');
  const passwords = keptPasswords(join(options.state, 'passwords.json'), systemRandom);
  /** From Node 22 on, what one process has compiled is ready for the others, and for the next start. */
  const compiledTogether = { NODE_COMPILE_CACHE: join(options.state, 'compiled') };
  const groups: Child[][] = [];
  let stopping = false;
  let breakDown: (reason: string) => void = () => undefined;
  const broken = new Promise<string>((settle) => (breakDown = settle));

  const stop = async () => {
    stopping = true;
    for (const group of groups.toReversed()) await Promise.all(group.map((child) => child.stop(config.process.graceMs)));
    for (const child of groups.flat()) rmSync(join(options.state, `${child.name}.pid`), { force: true });
    lock.release();
  };
  const ended = runUntilSignal({ stop, graceMs: 2 * config.process.graceMs, log, broken });

  try {
    // All at once: each waits for what it needs, and only conductors for a database that is up to date.
    const migrated = onDatabase(config.database, () => migrateDatabase(config.database));
    await Promise.all(
      planProcesses(options, config, passwords).map(async (group, place) => {
        groups[place] = [];
        if (group.some(({ needsSchema }) => needsSchema)) await migrated;
        if (!stopping) groups[place] = group.map(start);
      }),
    );
    for (const child of groups.flat()) {
      const addresses = await child.ready;
      print(`${child.name.padEnd(14)} pid ${String(child.pid).padEnd(8)} ${addresses.join('  ')}`);
    }
    if (!stopping) await finish();
  } catch (error) {
    if (!stopping) {
      process.stderr.write(`kilonova processes: ${(error as Error).message}\n`);
      breakDown((error as Error).message);
    }
  }
  return ended;

  function start({ name, args, settings = [], env, nodeArgs }: PlannedProcess): Child {
    const logFile = join(options.state, `${name}.log`);
    const child = startChild({
      ...{ name, nodeArgs, logFile, args: [...args, ...configArgs, ...settings.flatMap((one) => ['--set', one])] },
      env: { ...compiledTogether, ...env },
    });
    writeFileSync(join(options.state, `${name}.pid`), `${child.pid}\n`);
    void child.ended.then((how) => {
      if (stopping) return;
      print(`${name} (pid ${child.pid}) ended with ${how}; it is not restarted`);
      if (groups.flat().every((one) => one.gone)) breakDown('every process has ended');
    });
    return child;
  }

  async function finish(): Promise<void> {
    const around = { clock: systemClock, random: systemRandom, log, metrics: createMetrics('processes', { ofProcess: false }) };
    const transport = await connectBroker(config.broker, { role: 'api' }, around);
    try {
      await new FirstContents(transport, around).ensure({
        zones: options.zones,
        hosts: numberedHosts('host', options.hosts),
        marker: join(options.state, 'seeded'),
      });
    } finally {
      await transport.close();
    }
    if (options.standalone) {
      writeClientFiles(options.state, `http://${config.identity.host}:${config.identity.port}/v3`, passwords);
      print(`\nEverything is up:  OS_CLIENT_CONFIG_FILE=${join(options.state, 'clouds.yaml')} openstack --os-cloud kilonova server list`);
    } else {
      print('\nEverything is up.');
    }
    print(`Logs: ${options.state}/*.log. SIGTERM or Ctrl-C stops all.`);
  }
}

function hold(folder: string): FolderLock {
  try {
    return lockFolder(folder);
  } catch (error) {
    if (error instanceof FolderInUse)
      throw new Error(`another "kilonova processes" (process ${error.holder}) runs on ${folder}: name another folder with --state`, {
        cause: error,
      });
    throw error;
  }
}
