import type { IncomingMessage } from 'node:http';
import { ApiError, badRequest } from './api-error.ts';

const NOTHING = Buffer.alloc(0);
const TOO_LARGE = 'Request is too large.';

/**
 * The whole body as bytes.
 * @throws ApiError 413 above `maxBytes`; the rest is not read and the connection is closed behind the answer
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = () => new ApiError(413, TOO_LARGE, { Connection: 'close' });
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  if (length === undefined && coding === undefined) return NOTHING;
  if (Number(length ?? 0) > maxBytes) throw tooLarge();
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxBytes) throw tooLarge();
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const MALFORMED = 'Malformed request body';
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The JSON value in the bytes; null when there are none. @throws ApiError 400, also above `maxDepth` arrays and objects in each other */
export function parseBody(bytes: Buffer, maxDepth: number): unknown {
  if (bytes.length === 0) return null;
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    throw badRequest(MALFORMED);
  }
  demandOrdinary(value, maxDepth);
  return value;
}

/**
 * JSON can bring what nothing behind here can hold: NUL and halves of surrogate pairs, which are no database text; numbers that
 * become infinite; and nesting that no recursive function survives, for which reason this one does not call itself.
 */
function demandOrdinary(body: unknown, maxDepth: number): void {
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value: body, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value === 'string') demandText(value);
    else if (typeof value === 'number' && !Number.isFinite(value)) throw badRequest(`${MALFORMED}: a number is too large`);
    else if (typeof value === 'object' && value !== null) {
      if (depth >= maxDepth) throw badRequest(`${MALFORMED}: expected at most ${maxDepth} arrays and objects in each other`);
      for (const [key, item] of Object.entries(value)) {
        demandText(key);
        open.push({ value: item, depth: depth + 1 });
      }
    }
  }
}

function demandText(text: string): void {
  if (text.includes('\0') || !wellFormed(text)) throw badRequest(`${MALFORMED}: texts must be Unicode without NUL characters`);
}

const wellFormed = (text: string) => !/[\ud800-\udfff]/u.test(text);

/** The one key of an action body. @throws ApiError 400 */
export function actionKey(body: unknown): string {
  const keys = typeof body === 'object' && body !== null && !Array.isArray(body) ? Object.keys(body) : [];
  if (keys.length !== 1 || keys[0] === undefined) throw badRequest(MALFORMED);
  return keys[0];
}

const jsonTypes = new Set(['application/json', 'application/vnd.openstack.compute+json', 'text/plain', '']);

/** @throws ApiError 415 for a body that says it is no JSON */
export function demandJson(contentType: string | undefined): void {
  const type = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (!jsonTypes.has(type)) throw new ApiError(415, 'Unsupported Content-Type');
}
