/**
 * How far guests are that are being sent. It is news only: what comes in a while is collected, the newest of each is
 * written in one statement, and what cannot be written is dropped, since the next report says more.
 */
import type { TransferReport } from '@kilonova/objects';
import { noteProgress } from '../db/transfer-progress.ts';
import { isUuid } from '../db/rows.ts';
import type { Services } from '../services.ts';

export class TransferReports {
  readonly #services: Pick<Services, 'knex' | 'log' | 'clock' | 'config'>;
  readonly #news = new Map<string, TransferReport & { readonly host: string }>();
  #cancel: (() => void) | null = null;
  #writing: Promise<void> | null = null;
  #stopped = false;

  constructor(services: Pick<Services, 'knex' | 'log' | 'clock' | 'config'>) {
    this.#services = services;
  }

  /** Takes what a host says, as far as there is room. */
  take(host: string, reports: readonly TransferReport[]): void {
    const { config, log } = this.#services;
    for (const report of reports) {
      if (!isUuid(report.instanceUuid)) continue;
      const key = `${report.instanceUuid}/${report.generation}@${host}`;
      const known = this.#news.get(key);
      if (known !== undefined && known.number >= report.number) continue;
      if (known === undefined && this.#news.size >= config.conductor.transferReportsMax) {
        log.warn({ host, waiting: this.#news.size }, 'progress of migrations dropped');
        break;
      }
      this.#news.set(key, { ...report, host });
    }
    this.#arm();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
    this.#news.clear();
    await this.#writing;
  }

  #arm(): void {
    if (this.#stopped || this.#cancel !== null || this.#writing !== null || this.#news.size === 0) return;
    this.#cancel = this.#services.clock.after(this.#services.config.conductor.transferCollectMs, () => {
      this.#cancel = null;
      this.#writing = this.#write().finally(() => {
        this.#writing = null;
        this.#arm();
      });
    });
  }

  async #write(): Promise<void> {
    const { knex, log, config } = this.#services;
    const news = [...this.#news.entries()].slice(0, config.conductor.transferReportBatch);
    for (const [key] of news) this.#news.delete(key);
    try {
      await noteProgress(
        knex,
        news.map(([, report]) => report),
      );
    } catch (error) {
      log.warn({ error: String(error), migrations: news.length }, 'progress of migrations not written');
    }
  }
}
