import { Counter, Gauge, type Registry } from 'prom-client';
import { KeptTexts, type ViewTexts } from './kept-texts.ts';

/** Servers as detailed lists show them, and how often that was of use. */
export class KeptServers {
  readonly #texts: KeptTexts;
  readonly #listed: Counter<'how'>;

  /** @param limit bytes */
  constructor(limit: number, registry: Registry) {
    const texts = (this.#texts = new KeptTexts(limit));
    const registers = [registry];
    this.#listed = new Counter({
      name: 'kilonova_api_listed_servers_total',
      help: 'Servers in detailed lists by revision: kept as they were written before, or read.',
      labelNames: ['how'],
      registers,
    });
    const bytes: Gauge = new Gauge({
      ...{ name: 'kilonova_api_kept_servers_bytes', help: 'Memory of servers that are kept for lists.', registers },
      collect: () => bytes.set(texts.bytes),
    });
    new Gauge({ name: 'kilonova_api_kept_servers_bytes_limit', help: 'Above it the least recently listed is let go of.', registers }).set(
      limit,
    );
  }

  /** @param view tells views apart whose texts of one server differ */
  of(view: string): ViewTexts {
    return this.#texts.of(view);
  }

  /** What a list was made of. */
  note(kept: number, read: number): void {
    this.#listed.inc({ how: 'kept' }, kept);
    this.#listed.inc({ how: 'read' }, read);
  }
}
