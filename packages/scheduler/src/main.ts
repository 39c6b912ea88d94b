import { conductorContract, conductorPin, ServiceHeartbeat, version } from '@kilonova/objects';
import { createClient, transportHealth, type Transport } from '@kilonova/rpc';
import { healthOf, tellPin, type RunningService, type Surroundings } from '@kilonova/runtime';
import { countScheduling } from './metrics.ts';
import type { SchedulerConfig } from './config.ts';
import { serveScheduler } from './handlers.ts';
import { Scheduler } from './scheduler.ts';
import { Snapshot } from './snapshot/snapshot.ts';

export interface SchedulerParts extends Surroundings {
  readonly config: { readonly scheduler: SchedulerConfig };
  readonly transport: Transport;
  /** Shown in the list of services. */
  readonly host: string;
  /** Version to speak to the conductors, MAJOR.MINOR; by default what the oldest of them understands. */
  readonly pin?: string;
}

/**
 * Starts one scheduler. It answers as soon as its first snapshot is loaded and refuses as Overloaded before that; it starts
 * without a conductor and loads when one comes.
 *
 * @throws Error when the configuration names an unknown filter.
 */
export async function startScheduler({
  config: { scheduler: config },
  transport,
  host,
  pin,
  ...surroundings
}: SchedulerParts): Promise<RunningService> {
  const { clock, random, log, metrics } = surroundings;
  const conductors = conductorPin({
    ...{ transport, contract: conductorContract, given: pin, clock, everyMs: config.pinAskMs },
    onMove: tellPin(surroundings, 'conductor'),
  });
  const conductor = createClient(transport, conductorContract, conductors.options);
  void conductors.ask();
  const snapshot = new Snapshot(conductor, clock, log, config);
  const scheduler = countScheduling(new Scheduler(config, snapshot, random), snapshot, metrics, clock);
  const server = await serveScheduler(transport, scheduler, snapshot, config);
  snapshot.reload('start');
  const forget = transport.onChange((connected) => {
    if (connected) snapshot.reload('reconnected');
  });

  const heartbeat = every(config.heartbeatIntervalMs, 'heartbeat', () =>
    conductor.serviceHeartbeat(Object.assign(new ServiceHeartbeat(), { binary: 'nova-scheduler', host, version })),
  );
  let differed = false;
  const digest = every(config.digestIntervalMs, 'digest', async () => {
    const same = await snapshot.compare();
    // One difference may be news on its way; two in a row are a loss.
    if (!same && differed) snapshot.reload('digest differs');
    differed = !same && !differed;
  });

  let stopped: Promise<void> | undefined;
  return {
    name: 'scheduler',
    health: () =>
      healthOf({
        broker: transportHealth(transport),
        snapshot: snapshot.ready ? { ok: true } : { ok: false, reason: 'hosts not loaded yet: no conductor answers' },
      }),
    stop: () => (stopped ??= stop()),
  };

  async function stop(): Promise<void> {
    conductors.stop();
    heartbeat();
    digest();
    forget();
    snapshot.stop();
    await server.stop();
  }

  /** Repeats `act` until cancelled, never twice at once; failures are logged and the next round tries again. */
  function every(intervalMs: number, what: string, act: () => Promise<void>): () => void {
    let cancelled = false;
    let cancel: () => void = () => {};
    const round = () => {
      act()
        .catch((error: Error) => log.debug({ what, reason: error.message }, 'not told'))
        .finally(() => {
          if (!cancelled) cancel = clock.after(intervalMs, round);
        });
    };
    round();
    return () => {
      cancelled = true;
      cancel();
    };
  }
}
