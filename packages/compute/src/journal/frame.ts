import { createHash } from 'node:crypto';

/**
 * A record in the file is one line: checksum, number of the batch it was written in, JSON. A batch begins only after the
 * batch before it is on the disk. So a crash can tear only the last batch; damage before that is the disk's.
 */
export interface Frame {
  readonly batch: number;
  readonly record: unknown;
}

const CHECKSUM_LENGTH = 16;
const LINE_END = 0x0a;

const checksumOf = (content: string) => createHash('sha256').update(content).digest('hex').slice(0, CHECKSUM_LENGTH);

export function encodeFrame(batch: number, record: unknown): string {
  const content = `${batch} ${JSON.stringify(record)}`;
  return `${checksumOf(content)} ${content}\n`;
}

/** What a line holds; undefined when it is not whole. */
export function decodeFrame(line: string): Frame | undefined {
  const content = line.slice(CHECKSUM_LENGTH + 1);
  if (line[CHECKSUM_LENGTH] !== ' ' || line.slice(0, CHECKSUM_LENGTH) !== checksumOf(content)) return undefined;
  const blank = content.indexOf(' ');
  return { batch: Number(content.slice(0, blank)), record: JSON.parse(content.slice(blank + 1)) as unknown };
}

/** The batch that a line says it is of, though it is not whole; NaN where that cannot be read either. */
const statedBatch = (line: string) => Number(/^.{16} (\d+) /.exec(line)?.[1]);

/** The journal is damaged where no crash of ours can have damaged it. */
export class JournalDamaged extends Error {
  override readonly name = 'JournalDamaged';

  constructor(
    readonly path: string,
    readonly offset: number,
  ) {
    super(
      `${path}: the record at byte ${offset} does not match its checksum, though records after it were written later; ` +
        'the disk lost data. Move the file aside to start with an empty journal: the host then reports what runs, and the conductor settles the rest',
    );
  }
}

export interface Scan {
  readonly frames: readonly Frame[];
  /** Bytes up to the end of the last good record; what follows is a torn tail. */
  readonly goodBytes: number;
}

/** Reads records up to the torn tail, if there is one. @throws JournalDamaged */
export function scanFrames(path: string, bytes: Buffer): Scan {
  const frames: Frame[] = [];
  let goodBytes = 0;
  let badBatch: number | undefined;
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(LINE_END, start);
    const line = end === -1 ? '' : bytes.toString('utf8', start, end);
    const frame = decodeFrame(line);
    if (badBatch === undefined && frame !== undefined) {
      frames.push(frame);
      goodBytes = end + 1;
    } else if (frame === undefined) {
      const last = frames.at(-1)?.batch ?? 0;
      // The next one at the latest. A line that says it is of the last one was on the disk before the next began.
      badBatch ??= statedBatch(line) === last ? last : last + 1;
    } else if (frame.batch > badBatch!) {
      throw new JournalDamaged(path, goodBytes);
    }
    if (end === -1) break;
    start = end + 1;
  }
  return { frames, goodBytes };
}
