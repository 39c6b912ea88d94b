import { hurry } from '../db/hurried-tasks.ts';
import { forgetSilentServices, markSilentHostsDown } from '../db/liveness.ts';
import { purgeIdempotencyKeys, purgeServers, purgeTasks } from '../db/purge.ts';
import type { Services } from '../services.ts';
import { taskDefinitions } from '../tasks/definitions.ts';

/**
 * What a conductor looks at again and again without being asked: hosts that fell silent, tasks that wait for them, and rows
 * that nobody needs any more. All conductors may do it at once; each round is bounded, and a full one is followed by the
 * next without a wait.
 */
export class Upkeep {
  readonly #services: Services;
  readonly #rounds: readonly Round[];
  #stopped = false;

  /**
   * @param heardSince since when (monotonic) this conductor hears its hosts; undefined: it does not. Who was deaf calls nobody silent.
   * @param returnMs over how long hosts come back that lost the broker together, as this conductor may have: they are not silent, it is not their turn
   */
  constructor(
    services: Services,
    heardSince: () => number | undefined = () => Number.NEGATIVE_INFINITY,
    returnMs: () => Promise<number> = async () => 0,
  ) {
    const { knex, clock, config, publisher, log } = services;
    const limits = config.conductor;
    const patience = taskDefinitions.patience({ config: limits });
    /** The beginning of hearing from which it has been long enough. */
    let waitedOut: number | undefined;
    this.#services = services;
    this.#rounds = [
      round(limits.livenessMs, limits.livenessBatch, async () => {
        const since = heardSince();
        if (since === undefined) return 0;
        if (since !== waitedOut && clock.monotonic() - since < limits.serviceDownMs + (await returnMs())) return 0;
        waitedOut = since;
        const down = await markSilentHostsDown(knex, limits.serviceDownMs, limits.livenessBatch);
        if (down.length > 0) log.warn({ hosts: down }, 'hosts are down');
        publisher.hostsTouched(down);
        return down.length;
      }),
      round(limits.livenessMs, limits.livenessBatch, () =>
        hurry(knex, { patience, forcedDownMs: limits.forcedDownWaitMs, batch: limits.livenessBatch }),
      ),
      round(limits.purgeLookMs, limits.purgeBatch, () => forgetSilentServices(knex, limits.forgetServiceHours, limits.purgeBatch)),
      round(limits.purgeLookMs, limits.purgeBatch, () => purgeIdempotencyKeys(knex, limits.idempotencyHours, limits.purgeBatch)),
      round(limits.purgeLookMs, limits.purgeBatch, () => purgeTasks(knex, limits.keepTasksHours, limits.purgeBatch)),
      round(limits.purgeLookMs, limits.purgeBatch, () => purgeServers(knex, limits.keepDeletedHours, limits.purgeBatch)),
    ];
  }

  start(): void {
    for (const each of this.#rounds) this.#arm(each, each.everyMs);
  }

  /** Ends after the rounds that are under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const each of this.#rounds) each.cancel?.();
    await Promise.all(this.#rounds.map((each) => each.running ?? Promise.resolve()));
  }

  #arm(each: Round, ms: number): void {
    if (this.#stopped) return;
    each.cancel = this.#services.clock.after(ms, () => {
      each.running = this.#run(each);
    });
  }

  async #run(each: Round): Promise<void> {
    let done = 0;
    try {
      done = await each.act();
    } catch (error) {
      this.#services.log.warn({ err: error }, 'upkeep round failed');
    }
    this.#arm(each, done >= each.batch ? 0 : each.everyMs);
  }
}

interface Round {
  readonly everyMs: number;
  readonly batch: number;
  /** Returns how many rows it found; as many as the batch means there may be more. */
  readonly act: () => Promise<number>;
  cancel?: () => void;
  running?: Promise<void>;
}

const round = (everyMs: number, batch: number, act: () => Promise<number>): Round => ({ everyMs, batch, act });
