import { existsSync, renameSync, statSync, createWriteStream } from 'node:fs';

/** A log that a start finds longer is set aside as FILE.1; the one set aside before is dropped. */
const LOG_LIMIT_BYTES = 32 * 1024 * 1024;

/** Appends; only its user may read it. */
export function openLogFile(file: string): { write(line: string): void; close(): Promise<void> } {
  if (existsSync(file) && statSync(file).size > LOG_LIMIT_BYTES) renameSync(file, `${file}.1`);
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  stream.on('error', () => undefined); // a full disk must not end the control plane
  return {
    write: (line) => void stream.write(line),
    close: () => new Promise((settle) => stream.end(settle)),
  };
}
