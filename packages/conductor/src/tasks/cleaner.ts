import { RemoveOperation } from '@kilonova/objects';
import type { Client } from '@kilonova/rpc';
import type { computeContract } from '@kilonova/objects';
import type { Clock, Logger } from '@kilonova/runtime';
import type { ConductorConfig } from '../config.ts';
import { type Cleanup, operationIdOf, takeDue } from '../db/cleanups.ts';
import type { Database } from '../db/connection.ts';
import { Loop } from './engine/loop.ts';

export interface CleanerParts {
  readonly knex: Database;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: ConductorConfig;
  readonly compute: Pick<Client<typeof computeContract>, 'at'>;
}

/**
 * Tells hosts to remove what was left on them, again and again until they confirm. Any conductor may: the rows say when a
 * removal is due, and the host recognises a repeat.
 */
export class Cleaner {
  readonly #parts: CleanerParts;
  #loop: Loop | undefined;
  #looking: Promise<void> | null = null;
  #again = false;

  constructor(parts: CleanerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#loop = new Loop('cleanups', this.#parts.config.cleanupLookMs, this.#parts, () => this.#look());
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
    this.#loop = undefined;
    await this.#looking;
  }

  /** Something was left behind just now. */
  ring(): void {
    if (this.#loop === undefined) return;
    this.#look().catch((error: unknown) => this.#parts.log.debug({ error: String(error) }, 'cleanups not looked at, tried again soon'));
  }

  /** One look at a time; who comes meanwhile gets one more. */
  async #look(): Promise<void> {
    if (this.#looking !== null) {
      this.#again = true;
      return this.#looking;
    }
    this.#looking = this.#work().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #work(): Promise<void> {
    const { knex, config } = this.#parts;
    do {
      this.#again = false;
      const due = await takeDue(knex, { batch: config.cleanupBatch, minMs: config.resendMinMs, maxMs: config.cleanupRetryMaxMs });
      await Promise.all(due.map((cleanup) => this.#tell(cleanup)));
      if (due.length === config.cleanupBatch) this.#again = true;
    } while (this.#again);
  }

  async #tell(cleanup: Cleanup): Promise<void> {
    const { compute, config, log } = this.#parts;
    const { host, instanceUuid, generation, requestId, undoes } = cleanup;
    const operation = Object.assign(new RemoveOperation(), {
      ...{ operationId: operationIdOf(cleanup), instanceUuid, generation, host, requestId, undoes, allowedMs: config.deleteDeadlineMs },
    });
    try {
      await compute.at(host).remove(operation, { requestId });
    } catch (error) {
      log.debug({ host, instanceUuid, error: String(error) }, 'removal not handed over, said again later');
    }
  }
}
