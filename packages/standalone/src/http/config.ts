import { integer, text, type Section, type SectionValues } from '@kilonova/runtime';

/** The options every built-in HTTP service has. `port` and `requestTimeoutMs` are the service's own defaults. */
export const httpOptions = (port: number, requestTimeoutMs: number) => ({
  host: text('127.0.0.1', { help: 'Address to listen on.' }),
  port: integer(port, { min: 0, max: 65_535, help: 'Port to listen on; 0 takes a free one.' }),
  publicUrl: text('', { help: 'Address that links show. Empty: the address that the client asked.' }),
  maxBodyBytes: integer(112 * 1024, { min: 1024, help: 'Largest JSON body; a larger one is refused with 413.' }),
  discardBytes: integer(4 * 1024 * 1024, {
    min: 0,
    help: 'How much of a refused body is read and thrown away so that the client sees the refusal; beyond it the connection is cut.',
  }),
  maxConnections: integer(512, { min: 1, help: 'Connections at once; further ones are closed at once.' }),
  requestTimeoutMs: integer(requestTimeoutMs, { min: 100, help: 'Time for a client to send a whole request.' }),
  idleTimeoutMs: integer(30_000, { min: 100, help: 'A connection on which nothing moves for so long is closed.' }),
  stopGraceMs: integer(2_000, { min: 0, help: 'Time for requests in hand at a stop; then their connections are cut.' }),
});

export type HttpConfig = SectionValues<Section<string, ReturnType<typeof httpOptions>>>;

/** The options every built-in service has for its database. */
export const databaseOptions = () => ({
  poolSize: integer(8, { min: 2, help: 'Database connections at most.' }),
  acquireTimeoutMs: integer(3_000, { min: 100, help: 'Wait for a database connection; then the answer is 503.' }),
  statementTimeoutMs: integer(10_000, { min: 100, help: 'The database ends a statement that runs longer.' }),
});

export type DatabaseLimits = SectionValues<Section<string, ReturnType<typeof databaseOptions>>>;
