import type { IncomingMessage } from 'node:http';
import { badRequest, tooLarge } from './error.ts';

const MAX_DEPTH = 32;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Text that no database column and no client can do anything with: NUL, or half of a surrogate pair. */
export const isBroken = (value: string) => /\u0000|\p{Surrogate}/u.test(value);

/** Reads and parses a JSON body of at most `maxBytes`. Throws HttpError 400 or 413. */
export async function readJson(incoming: IncomingMessage, maxBytes: number): Promise<unknown> {
  const raw = await readBytes(incoming, maxBytes);
  let parsed: unknown;
  try {
    parsed = JSON.parse(utf8.decode(raw));
  } catch {
    throw badRequest('The body is not valid: expected a JSON document in UTF-8.');
  }
  refuseBrokenText(parsed);
  return parsed;
}

async function readBytes(incoming: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const refusal = () => tooLarge(`The body is too large: at most ${maxBytes} bytes are taken.`);
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) throw refusal();
  const pieces: Buffer[] = [];
  let size = 0;
  // Iterating would destroy the request on a throw, and with it the socket that the refusal has to travel on.
  await new Promise<void>((resolve, reject) => {
    const onData = (piece: Buffer) => {
      size += piece.length;
      if (size <= maxBytes) return void pieces.push(piece);
      incoming.off('data', onData).pause();
      reject(refusal());
    };
    incoming
      .on('data', onData)
      .once('end', resolve)
      .once('error', reject)
      .once('aborted', () => reject(badRequest('The body ended early.')));
  });
  return Buffer.concat(pieces);
}

/** Walks without recursion, so that a deep document cannot exhaust the stack. */
function refuseBrokenText(document: unknown): void {
  const rest: { readonly value: unknown; readonly depth: number }[] = [{ value: document, depth: 0 }];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { value, depth } = next;
    if (typeof value === 'string') refuseBroken(value);
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= MAX_DEPTH) throw badRequest(`The body is nested too deep: at most ${MAX_DEPTH} levels are taken.`);
    for (const [key, inner] of Object.entries(value)) {
      refuseBroken(key);
      rest.push({ value: inner, depth: depth + 1 });
    }
  }
}

function refuseBroken(value: string): void {
  if (isBroken(value)) throw badRequest('The body contains text with a NUL or an incomplete character.');
}
