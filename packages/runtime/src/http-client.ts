/**
 * HTTP to other services. Not by `fetch`, which refuses the ports that browsers bar (6000, 6666, 10080 and others): a
 * service may listen on any.
 */
import { Agent as PlainAgent, request as plainRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';

export interface HttpQuestion {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Ends the wait, with its reason. */
  readonly signal: AbortSignal;
  /** A longer answer is an error. */
  readonly maxAnswerBytes: number;
  /** Of an answer with a status of 2xx only the length is wanted: its text is left out. */
  readonly unread?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Of the whole body. */
  readonly bytes: number;
}

const agents = { plain: new PlainAgent({ keepAlive: true }), secure: new SecureAgent({ keepAlive: true }) };

/**
 * One question, one answer of any status; redirects are not followed.
 * @throws Error when there is no whole answer within the bounds: the reason of `signal`, the socket's error, or an answer too long
 */
export async function askHttp(url: string, question: HttpQuestion): Promise<HttpAnswer> {
  const { method = 'GET' } = question;
  try {
    return await askOnce(url, question);
  } catch (error) {
    // A kept connection that the other side closed just now: nothing was done there.
    const stale = error instanceof ConnectionGone && (method === 'GET' || method === 'HEAD');
    if (!stale) throw error instanceof ConnectionGone ? error.cause : error;
    return await askOnce(url, question);
  }
}

/** A connection that had served before broke before an answer came; the socket's error is the cause. */
class ConnectionGone extends Error {}

function askOnce(
  url: string,
  { method = 'GET', headers = {}, body, signal, maxAnswerBytes, unread = false }: HttpQuestion,
): Promise<HttpAnswer> {
  signal.throwIfAborted();
  return new Promise<HttpAnswer>((resolve, reject) => {
    const address = new URL(url);
    const secure = address.protocol === 'https:';
    const outgoing = (secure ? secureRequest : plainRequest)(address, {
      method,
      headers: { ...headers, ...(body !== undefined && { 'Content-Length': String(Buffer.byteLength(body)) }) },
      agent: secure ? agents.secure : agents.plain,
      signal,
    });
    outgoing.once('error', (error) => {
      const { reason } = signal as { reason: unknown };
      if (signal.aborted) reject(reason instanceof Error ? reason : error);
      else reject(outgoing.reusedSocket ? new ConnectionGone(error.message, { cause: error }) : error);
    });
    outgoing.once('response', (incoming) => {
      const status = incoming.statusCode ?? 0;
      bodyOf(incoming, maxAnswerBytes, !unread || status < 200 || status > 299).then(
        (read) => resolve({ status, headers: incoming.headers, ...read }),
        (error: unknown) => reject(signal.aborted ? (signal.reason as Error) : (error as Error)),
      );
    });
    outgoing.end(body);
  });
}

async function bodyOf(incoming: IncomingMessage, limit: number, wanted: boolean): Promise<Pick<HttpAnswer, 'text' | 'bytes'>> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    bytes += piece.byteLength;
    if (bytes > limit) throw new Error(`answer above ${limit} bytes`); // leaving the loop ends the connection
    if (wanted) pieces.push(piece);
  }
  return { text: Buffer.concat(pieces).toString('utf8'), bytes };
}
