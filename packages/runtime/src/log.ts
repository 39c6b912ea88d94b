import { pino, type DestinationStream } from 'pino';
import { integer, oneOf, section, type SectionValues } from './config.ts';

/** One event with fields: `log.info({ instanceUuid, host }, 'claimed')`. */
export interface Logger {
  debug(fields: object, event: string): void;
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
  error(fields: object, event: string): void;
  child(fields: Record<string, unknown>): Logger;
}

export const logSection = section('log', {
  level: oneOf(['debug', 'info', 'warn', 'error', 'silent'], 'info', {
    help: 'The least important events that are logged, as JSON lines on standard output.',
  }),
  flushMs: integer(100, {
    min: 1,
    max: 10_000,
    help: 'Lines are written together, at the latest so many milliseconds after they came; those of warnings and errors at once.',
  }),
  bufferBytes: integer(4_194_304, {
    min: 65_536,
    max: 1_073_741_824,
    help: 'Lines that nobody takes from standard output wait in memory up to this; more are dropped and counted in kilonova_log_lines_dropped_total.',
  }),
  exitWaitMs: integer(2_000, { min: 0, max: 60_000, help: 'How long a process that ends waits for somebody to take its last lines.' }),
});
export type LogConfig = SectionValues<typeof logSection>;
export type LogLevel = LogConfig['level'];

/** What must never reach a log, down to the third level of the fields. `detail` is PostgreSQL's: it quotes the row it refused. */
const SECRETS = ['password', 'adminPass', 'token', 'secret', 'userData', 'user_data', 'authorization', 'detail'];
const redact = { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[hidden]' };

/** JSON lines on standard output, or on `destination`. */
export const createLogger = (service: string, level: LogLevel, destination?: DestinationStream): Logger =>
  pino({ base: { service, pid: process.pid }, level, redact, timestamp: pino.stdTimeFunctions.isoTime }, destination);

export const silentLogger: Logger = createLogger('silent', 'silent');
