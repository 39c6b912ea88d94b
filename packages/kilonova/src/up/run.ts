import {
  createLogger,
  createMetrics,
  healthOf,
  jointHealth,
  renderMetrics,
  runUntilSignal,
  startProbes,
  stopAll,
  systemClock,
  systemRandom,
  type RunningService,
} from '@kilonova/runtime';
import type { Registry } from 'prom-client';
import type { KilonovaConfig } from '../config/sections.ts';
import type { EmbeddedPostgres } from '../postgres/embedded.ts';
import { showBuild } from '../process/build-info.ts';
import { writeClientFiles } from './client-files.ts';
import { startCloud } from './cloud.ts';
import { openLogFile } from './log-file.ts';
import { bindAddress, wantedPorts, type UpOptions } from './options.ts';
import { requireFreePorts } from './ports.ts';
import { openState } from './state.ts';
import { summaryOf } from './summary.ts';
import { within } from './supervision.ts';

/** Ctrl-C ends everything within five seconds: services first, then PostgreSQL, which gets what is left. */
const GRACE_MS = 4_800;
const SERVICES_GRACE_MS = 3_000;

/** Runs a whole cloud in this process until a signal; returns the exit code. */
export async function runUp(options: UpOptions, config: KilonovaConfig, print: (line: string) => void): Promise<number> {
  const began = systemClock.monotonic();
  const state = await openState(options, systemRandom, () => requireFreePorts(bindAddress, wantedPorts(options)));
  const logFile = openLogFile(state.file('kilonova.log'));
  const log = createLogger('kilonova', config.log.level, logFile);

  const ofProcess = createMetrics('kilonova');
  showBuild(ofProcess);
  const registries: Registry[] = [ofProcess];
  const services: RunningService[] = [];
  const stops: (() => Promise<void>)[] = [];
  let postgres: EmbeddedPostgres | undefined;
  let stopping = false;
  let breakDown: (reason: string) => void = () => undefined;
  const broken = new Promise<string>((settle) => (breakDown = settle));

  // Also when a second Ctrl-C or a broken assumption ends the process at once: no PostgreSQL is left behind.
  process.once('exit', () => postgres?.kill());

  let opening: Promise<void> = Promise.resolve();
  const stop = async () => {
    stopping = true;
    await opening;
    if (
      !(await within(
        SERVICES_GRACE_MS,
        stopAll(stops).catch((error: unknown) => log.error({ err: error }, 'a stop failed')),
      ))
    )
      log.warn({ graceMs: SERVICES_GRACE_MS }, 'services did not stop in time');
    await postgres?.stop();
    postgres = undefined;
    state.release();
    await logFile.close();
  };
  const ended = runUntilSignal({ stop, graceMs: GRACE_MS, log, broken });

  opening = (async () => {
    const step = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
      if (stopping) throw new Error('stopped while starting');
      try {
        return await act();
      } catch (cause) {
        throw new Error(`${what}: ${(cause as Error).message}`, { cause });
      }
    };
    try {
      print('Kilonova is starting ...');
      const probes = await step('/healthz', () =>
        startProbes({
          host: bindAddress,
          port: options.ports.probes,
          healthTimeoutMs: config.probes.healthTimeoutMs,
          metrics: () => renderMetrics(registries),
          health: () => (services.length === 0 ? healthOf({ kilonova: { ok: false, reason: 'starting' } }) : jointHealth(services)),
        }),
      );
      stops.push(() => probes.stop());
      const cloud = await startCloud({
        options,
        config,
        state,
        step,
        surroundings(service, labels) {
          const metrics = createMetrics(service, { ofProcess: false, ...(labels && { labels }) });
          registries.push(metrics);
          return { clock: systemClock, random: systemRandom, log: createLogger(service, config.log.level, logFile), metrics };
        },
        add(service) {
          services.push(service);
          stops.push(() => service.stop());
          return service;
        },
        onStop: (one) => void stops.push(one),
        notice: (line) => print(`  ${line}`),
        database(server) {
          postgres = server;
          void server.exited.then(() => {
            if (!stopping) breakDown(`PostgreSQL has ended: see ${state.file('postgres/postgres.log')}`);
          });
        },
      });
      writeClientFiles(state.dir, `${cloud.identityUrl}/v3`, state.passwords);
      print(summaryOf(cloud, state, { probesUrl: probes.url, tookMs: systemClock.monotonic() - began, ephemeral: options.ephemeral }));
      if (process.connected) process.send?.({ kilonova: 'ready', name: 'up', addresses: [cloud.computeUrl] });
    } catch (error) {
      log.error({ err: error }, 'cannot start');
      if (!stopping) breakDown(`cannot start: ${(error as Error).message}`);
    }
  })();
  void broken.then((reason) => process.stderr.write(`kilonova up: ${reason}\n`));
  return ended;
}
