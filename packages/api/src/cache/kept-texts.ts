/** Texts of one view, by the id of what they show. */
export interface ViewTexts {
  /** Undefined when none is kept, or one of another revision. */
  get(id: string, revision: string): string | undefined;
  keep(id: string, revision: string, text: string): void;
}

interface Entry {
  readonly revision: string;
  readonly text: string;
}

/** What an entry takes besides its letters, about; bytes. */
const ENTRY_BYTES = 200;
/** Views, of which each microversion, set of rights and address has its own; above, all is forgotten. */
const MOST_VIEWS = 1_000;

/**
 * What was written of things that say their revision: with the same revision, in the same view, it would be written again letter by
 * letter. At most so many bytes in all; the least recently used goes first.
 */
export class KeptTexts {
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();
  readonly #views = new Map<string, ViewTexts>();
  #bytes = 0;
  #made = 0;

  /** @param limit bytes, of texts in ASCII; 0 keeps nothing */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @param view tells views apart whose texts of one thing differ */
  of(view: string): ViewTexts {
    let texts = this.#views.get(view);
    if (texts === undefined) {
      if (this.#views.size >= MOST_VIEWS) this.#forgetAll();
      const front = `${++this.#made}/`;
      texts = {
        get: (id, revision) => this.#get(front + id, revision),
        keep: (id, revision, text) => this.#keep(front + id, { revision, text: inOnePiece(text) }),
      };
      this.#views.set(view, texts);
    }
    return texts;
  }

  #get(key: string, revision: string): string | undefined {
    const entry = this.#entries.get(key);
    if (entry?.revision !== revision) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.text;
  }

  #keep(key: string, entry: Entry): void {
    this.#drop(key);
    this.#entries.set(key, entry);
    this.#bytes += bytesOf(key, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#limit) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= bytesOf(key, entry);
  }

  #forgetAll(): void {
    this.#entries.clear();
    this.#views.clear();
    this.#bytes = 0;
  }
}

/** A text that was put together of many is kept as those by the engine, and put together again with each use. */
const inOnePiece = (text: string): string => Buffer.from(text).toString();

const bytesOf = (key: string, { revision, text }: Entry): number => ENTRY_BYTES + key.length + revision.length + text.length;
