import { type hostReportsContract, type TransferProgress, TransferReport, TransferReports } from '@kilonova/objects';
import type { Client } from '@kilonova/rpc';
import type { Clock, Logger } from '@kilonova/runtime';
import type { ComputeOptions } from '../config.ts';
import type { Order } from '../ledger/order.ts';

export interface TransfersParts {
  readonly host: string;
  readonly config: ComputeOptions;
  readonly client: Client<typeof hostReportsContract>;
  readonly clock: Clock;
  readonly log: Logger;
}

type Sent = Pick<Order, 'operationId' | 'instanceUuid' | 'generation'>;

/**
 * Tells the conductor how far guests are that are being sent: the newest of each, all of the host in one message per
 * `transfer_report_ms`. News that got lost is not told again. A conductor that does not know such news is told none.
 */
export class Transfers {
  readonly #parts: TransfersParts;
  readonly #latest = new Map<string, { readonly order: Sent; readonly progress: TransferProgress }>();
  /** Whose latest was not told yet. */
  readonly #untold = new Set<string>();
  readonly #closed = new AbortController();
  #cancel: (() => void) | undefined;
  #number = 0;

  constructor(parts: TransfersParts) {
    this.#parts = parts;
  }

  note({ operationId, instanceUuid, generation }: Sent, progress: TransferProgress): void {
    this.#latest.set(operationId, { order: { operationId, instanceUuid, generation }, progress });
    this.#untold.add(operationId);
    this.#arm();
  }

  /** The order ended. @returns how far it came, if that was ever said */
  end(operationId: string): TransferProgress | undefined {
    const last = this.#latest.get(operationId)?.progress;
    this.#latest.delete(operationId);
    this.#untold.delete(operationId);
    return last;
  }

  stop(): void {
    this.#closed.abort(new Error('the agent stops'));
    this.#cancel?.();
    this.#untold.clear();
  }

  #arm(): void {
    const { clock, config } = this.#parts;
    if (this.#cancel !== undefined || this.#untold.size === 0 || this.#closed.signal.aborted) return;
    this.#cancel = clock.after(config.transferReportMs, () => {
      void this.#tell().finally(() => {
        this.#cancel = undefined;
        this.#arm();
      });
    });
  }

  async #tell(): Promise<void> {
    const { client, clock, config, host, log } = this.#parts;
    const told = [...this.#untold].slice(0, config.reportBatchSize);
    for (const operationId of told) this.#untold.delete(operationId);
    if (told.length === 0 || !client.supports('reportTransfers')) return;
    // Above every number of this host, also of an earlier agent.
    this.#number = Math.max(this.#number + 1, Math.floor(clock.now()));
    const transfers = told.map((operationId) => {
      const { order, progress } = this.#latest.get(operationId)!;
      return Object.assign(new TransferReport(), { ...order, number: this.#number, progress });
    });
    try {
      const request = Object.assign(new TransferReports(), { host, transfers });
      await client.reportTransfers(request, { timeoutMs: config.callTimeoutMs, signal: this.#closed.signal });
    } catch (error) {
      log.debug({ transfers: transfers.length, reason: (error as Error).message }, 'progress not told');
    }
  }
}
