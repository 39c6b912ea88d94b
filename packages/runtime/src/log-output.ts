import { pino, type DestinationStream } from 'pino';
import { Counter, type Registry } from 'prom-client';
import sonicBoom from 'sonic-boom';
import type { LogConfig } from './log.ts';

/** What is written to standard output at once, at least, when it is no warning and not yet due. */
const WRITE_BYTES = 8_192;
const WARNING = pino.levels.values['warn']!;

/**
 * Standard output for a process that logs much: lines are written together and beside the event loop, all that are left when the
 * process exits. A reader that takes none costs memory up to `bufferBytes`, and then lines, which `metrics` count; it holds up nothing, and
 * the exit for `exitWaitMs` at most. What a reader that is gone does not take is dropped as well.
 */
export function standardOutput({ flushMs, bufferBytes, exitWaitMs }: LogConfig, metrics: Registry): DestinationStream {
  let triedUntil = Number.POSITIVE_INFINITY;
  let gone = false;
  const output = new sonicBoom.SonicBoom({
    ...{ fd: 1, sync: false, minLength: WRITE_BYTES, maxLength: bufferBytes },
    retryEAGAIN: () => performance.now() < triedUntil,
  });
  const dropped = new Counter({
    name: 'kilonova_log_lines_dropped_total',
    help: 'Log lines that nobody took from standard output in time.',
    registers: [metrics],
  });
  output.on('drop', () => dropped.inc());
  // Of a full disk, say: the lines stay, and are written when there is room again, or dropped above the bound.
  output.on('error', (error: NodeJS.ErrnoException) => (gone ||= error.code === 'EPIPE'));
  process.once('exit', () => {
    triedUntil = performance.now() + exitWaitMs;
    try {
      if (!gone) output.flushSync();
    } catch {
      // nobody is left who could be told
    }
  });
  let due: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(due);
    due = undefined;
    output.flush();
  };
  return {
    [pino.symbols.needsMetadataGsym]: true, // pino says the level of each line
    lastLevel: 0,
    write(line: string) {
      if (gone) return dropped.inc();
      output.write(line);
      if (this.lastLevel >= WARNING) flush();
      else due ??= setTimeout(flush, flushMs).unref();
    },
  } as DestinationStream & { lastLevel: number };
}
