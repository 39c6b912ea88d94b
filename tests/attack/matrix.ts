import type { Outcome } from './attacker.ts';

/** How often each kind of attack was tried, and who refused it. */
export class Matrix {
  readonly #rows = new Map<string, Record<string, number>>();

  note(kind: string, outcome: Outcome): Outcome {
    const row = this.#rows.get(kind) ?? { tried: 0 };
    this.#rows.set(kind, row);
    row['tried'] = (row['tried'] ?? 0) + 1;
    row[outcome.by] = (row[outcome.by] ?? 0) + 1;
    return outcome;
  }

  tried(kind: string): number {
    return this.#rows.get(kind)?.['tried'] ?? 0;
  }

  /** | kind | tried | refused by the broker | no receiver | refused by us | taken | */
  table(): string {
    const heads = ['attack', 'tried', 'refused by the broker', 'had no receiver', 'refused by us', 'taken, without effect'];
    const lines = [...this.#rows].map(([kind, row]) =>
      [kind, ...['tried', 'broker', 'nobody', 'us', 'none'].map((name) => String(row[name] ?? 0))].join(' | '),
    );
    return [heads.join(' | '), heads.map(() => '---').join(' | '), ...lines].map((line) => `| ${line} |`).join('\n');
  }
}
