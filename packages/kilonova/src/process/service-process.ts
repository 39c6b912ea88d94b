import {
  createLogger,
  createMetrics,
  healthOf,
  joinMetrics,
  jointHealth,
  renderMetrics,
  runUntilSignal,
  standardOutput,
  startProbes,
  stopAll,
  systemClock,
  systemRandom,
  type Check,
  type Logger,
  type RunningService,
  type Surroundings,
} from '@kilonova/runtime';
import type { Registry } from 'prom-client';
import { showBuild } from './build-info.ts';
import { doubtsOf } from '../config/rules.ts';
import type { KilonovaConfig } from '../config/sections.ts';
import { release } from '../version.ts';
import { answerParent, workerNumber } from '../workers/channel.ts';

/** What a process says to the one that started it, when that asked for a channel. */
export interface ReadyMessage {
  readonly kilonova: 'ready';
  readonly name: string;
  readonly addresses: readonly string[];
}

/** How long a stop waits for a start that is under way; milliseconds. */
const HALF_OPEN_MS = 500;

/** A process on its way up: everything given to `add` and `onStop` is ended in reverse order. */
export interface Starting {
  readonly config: KilonovaConfig;
  readonly log: Logger;
  /** With a registry of its own; `labels` tell several agents of one process apart. */
  surroundings(labels?: Readonly<Record<string, string>>): Surroundings;
  add<Service extends RunningService & { readonly url?: string }>(service: Service): Service;
  onStop(stop: () => Promise<void>): void;
  /** For the probes, until everything is up: what a part waits for; undefined when it waits no more. */
  waits(part: string, reason: string | undefined): void;
  /** Shows these as well, texts in Prometheus' format. */
  showMetrics(read: () => Promise<readonly string[]>): void;
  /** Whole lines for the standard output, between those of the log and bounded with them. */
  writeLines(text: string): void;
}

/**
 * Runs a service as a process: probes first (503 until everything is up; those of a worker its parent has), then what `open`
 * starts, until a signal. Returns the exit code. One signal stops gracefully within `process.grace_ms`, a second one at once.
 */
export async function runServiceProcess(
  name: string,
  config: KilonovaConfig,
  open: (starting: Starting) => Promise<void>,
): Promise<number> {
  const worker = workerNumber();
  const ownLabels: Readonly<Record<string, string>> = worker === undefined ? {} : { worker };
  const ofProcess = createMetrics(name, { labels: ownLabels });
  showBuild(ofProcess);
  const output = standardOutput(config.log, ofProcess);
  const log = createLogger(name, config.log.level, output);
  for (const reason of doubtsOf(config, name)) log.warn({ reason }, 'the configuration looks wrong');
  const registries: Registry[] = [ofProcess];
  const services: (RunningService & { readonly url?: string })[] = [];
  const stops: (() => Promise<void>)[] = [];
  const shown: (() => Promise<readonly string[]>)[] = [async () => [await renderMetrics(registries)]];
  const waiting = new Map<string, string>();
  let up = false;

  const starting: Starting = {
    config,
    log,
    surroundings(labels) {
      const metrics = createMetrics(name, { ofProcess: false, labels: { ...ownLabels, ...labels } });
      registries.push(metrics);
      return { clock: systemClock, random: systemRandom, log, metrics };
    },
    add(service) {
      services.push(service);
      stops.push(() => service.stop());
      return service;
    },
    onStop: (stop) => void stops.push(stop),
    waits(part, reason) {
      if (reason === undefined) waiting.delete(part);
      else waiting.set(part, reason);
    },
    showMetrics: (read) => void shown.push(read),
    writeLines: (text) => output.write(text),
  };

  let breakDown: (reason: string) => void = () => undefined;
  const broken = new Promise<string>((settle) => (breakDown = settle));
  let opening: Promise<void> = Promise.resolve();
  const ended = runUntilSignal({
    graceMs: config.process.graceMs,
    log,
    broken,
    stop: async () => {
      // What is half open can only be closed once it is open; a start that waits for its broker is not waited for.
      await Promise.race([opening, systemClock.sleep(Math.min(HALF_OPEN_MS, config.process.graceMs))]);
      await stopAll(stops);
    },
  });
  // Whoever started us with a channel and is gone can stop us no more.
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));

  opening = (async () => {
    try {
      const { enabled, ...where } = config.probes;
      const health = async () => (up ? await jointHealth(services) : healthOf(checksOfStart(name, waiting)));
      const metrics = async () => joinMetrics((await Promise.all(shown.map((read) => read()))).flat());
      if (worker !== undefined) answerParent({ health, metrics });
      const probes = enabled && worker === undefined ? await startProbes({ ...where, health, metrics }) : undefined;
      if (probes !== undefined) stops.push(() => probes.stop());
      await open(starting);
      up = true;
      const addresses = [
        ...services.flatMap(({ url }) => (url === undefined ? [] : [url])),
        ...(probes === undefined ? [] : [`${probes.url}/healthz`]),
      ];
      log.info({ ...release, addresses, services: services.map((service) => service.name) }, 'ready');
      if (process.connected) process.send?.({ kilonova: 'ready', name, addresses } satisfies ReadyMessage);
    } catch (error) {
      log.error({ err: error }, 'cannot start');
      process.stderr.write(`kilonova ${name}: ${(error as Error).message}\n`);
      breakDown('cannot start');
    }
  })();
  return ended;
}

const checksOfStart = (name: string, waiting: ReadonlyMap<string, string>): Readonly<Record<string, Check>> => ({
  [name]: { ok: false, reason: 'starting' },
  ...Object.fromEntries([...waiting].map(([part, reason]) => [part, { ok: false, reason }] as const)),
});
