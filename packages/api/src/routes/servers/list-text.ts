import { Reply } from '../../http/request.ts';
import type { Link } from '../../http/links.ts';

/** Text that becomes bytes together: one text of the whole list would be put together twice, and single short rows cost more than they are. */
const LETTERS_AT_ONCE = 2_048;

/** The answer to a list of servers, of rows that are JSON already. */
export class ListText {
  readonly #bytes: Buffer[] = [];
  #text = '{"servers":[';
  #between = '';

  add(row: string): void {
    this.#text += this.#between + row;
    this.#between = ',';
    if (this.#text.length < LETTERS_AT_ONCE) return;
    this.#bytes.push(Buffer.from(this.#text));
    this.#text = '';
  }

  reply(next: readonly Link[] | undefined): Reply {
    const end = next === undefined ? ']}' : `],"servers_links":${JSON.stringify(next)}}`;
    return new Reply(Buffer.concat([...this.#bytes, Buffer.from(this.#text + end)]));
  }
}
