import type { Watcher } from './fault-proxy.ts';

/**
 * Connections to PostgreSQL that break after a commit and before its answer: whoever asked cannot know what became of it.
 * A commit is a CommandComplete of COMMIT, or of a statement that writes, with a ReadyForQuery behind it that says that
 * no transaction is open. See "Message Formats" in PostgreSQL's manual.
 */
export class LostAnswers {
  /** Answers that were kept back, with the connection broken instead. */
  lost = 0;
  #next: (() => boolean) | undefined;

  /** From now on commits of all connections are offered; the answer to those that are taken gets lost. */
  arm(take: () => boolean): void {
    this.#next = take;
  }

  disarm(): void {
    this.#next = undefined;
  }

  readonly watcher: Watcher = (pass, cut) => {
    let rest: Buffer = NOTHING;
    let wrote = false;
    let over = false;
    return (piece) => {
      if (over) return;
      rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
      // Whole messages go on; the answers since the last ReadyForQuery wait for the next one while somebody asks for commits.
      let passed = 0;
      for (let at = 0; ;) {
        const message = messageAt(rest, at);
        if (message === undefined) break;
        at += message.length;
        if (message.type === COMMAND_COMPLETE) wrote ||= WRITES.test(message.text());
        const ready = message.type === READY_FOR_QUERY;
        if (ready && wrote && message.text() === IDLE && this.#next?.() === true) {
          this.lost += 1;
          over = true;
          if (passed > 0) pass(rest.subarray(0, passed));
          return cut();
        }
        if (ready) wrote = false;
        if (ready || !wrote) passed = at;
      }
      if (passed > 0) pass(rest.subarray(0, passed));
      rest = rest.subarray(passed);
    };
  };
}

const NOTHING = Buffer.alloc(0);
const COMMAND_COMPLETE = 'C'.charCodeAt(0);
const READY_FOR_QUERY = 'Z'.charCodeAt(0);
const WRITES = /^(COMMIT|INSERT|UPDATE|DELETE)\b/;
const IDLE = 'I';

interface Message {
  readonly type: number;
  readonly length: number;
  text(): string;
}

function messageAt(bytes: Buffer, at: number): Message | undefined {
  if (bytes.length < at + 5) return undefined;
  const length = 1 + bytes.readUInt32BE(at + 1);
  if (bytes.length < at + length) return undefined;
  return { type: bytes[at]!, length, text: () => bytes.toString('latin1', at + 5, at + length).replace(/\0$/, '') };
}
