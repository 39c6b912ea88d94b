/**
 * How far guests are that are being sent. It is news only: what comes in a while is collected, the newest of each is
 * written in one statement, and what cannot be written is dropped, since the next report says more.
 */
import type { TransferReport } from '@kilonova/objects';
import { noteProgress } from '../db/transfer-progress.ts';
import { isUuid } from '../db/rows.ts';
import type { Services } from '../services.ts';

type News = TransferReport & { readonly host: string };

export class TransferReports {
  readonly #services: Pick<Services, 'knex' | 'log' | 'clock' | 'config'>;
  readonly #news = new Map<string, News>();
  /** How many of the news are of each host. */
  readonly #waiting = new Map<string, number>();
  #cancel: (() => void) | null = null;
  #writing: Promise<void> | null = null;
  #stopped = false;

  constructor(services: Pick<Services, 'knex' | 'log' | 'clock' | 'config'>) {
    this.#services = services;
  }

  /** Takes what a host says, as far as there is room: one that makes things up must not take it from the others. */
  take(host: string, reports: readonly TransferReport[]): void {
    const { config, log } = this.#services;
    const { transferReportsMax, transferReportsPerHost } = config.conductor;
    let dropped = 0;
    for (const report of reports) {
      if (!isUuid(report.instanceUuid)) continue;
      const key = `${report.instanceUuid}/${report.generation}@${host}`;
      const known = this.#news.get(key);
      if (known !== undefined && known.number >= report.number) continue;
      if (known === undefined) {
        const waiting = this.#waiting.get(host) ?? 0;
        if (waiting >= transferReportsPerHost || this.#news.size >= transferReportsMax) {
          dropped += 1;
          continue;
        }
        this.#waiting.set(host, waiting + 1);
      }
      this.#news.set(key, { ...report, host });
    }
    if (dropped > 0) log.warn({ host, dropped, waiting: this.#news.size }, 'progress of migrations dropped');
    this.#arm();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
    this.#news.clear();
    this.#waiting.clear();
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
    const news = this.#next(config.conductor.transferReportBatch);
    try {
      await noteProgress(knex, news);
    } catch (error) {
      log.warn({ error: String(error), migrations: news.length }, 'progress of migrations not written');
    }
  }

  /** The first of those that wait, which wait no more. */
  #next(most: number): readonly News[] {
    const news = [...this.#news.entries()].slice(0, most);
    for (const [key, { host }] of news) {
      this.#news.delete(key);
      const left = this.#waiting.get(host)! - 1;
      if (left === 0) this.#waiting.delete(host);
      else this.#waiting.set(host, left);
    }
    return news.map(([, report]) => report);
  }
}
