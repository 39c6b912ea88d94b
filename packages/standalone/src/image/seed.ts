import { askHttp, type HttpAnswer, type Logger } from '@kilonova/runtime';
import { emptyDisk } from './empty-disk.ts';

export interface SeedOptions {
  /** With or without `/v3`. */
  readonly identityUrl: string;
  readonly imageUrl: string;
  /** Of the user `admin` in the project `admin`. */
  readonly password: string;
  readonly log: Logger;
  /** Whole wait for one request. Default: 10 s. */
  readonly timeoutMs?: number;
}

const MAX_ANSWER_BYTES = 1_048_576;

/** The seed image's id never changes, so that seeding twice, even at the same time, makes one image. */
const ID = '6b1f3c1e-5d0a-4c7e-9f52-c1a0501e57ed';

/**
 * Makes the public image `cirros` (an empty disk of 1 MiB in qcow2, 2 KiB long) unless it is there, finishes one whose
 * upload was interrupted, and says its id. Throws an Error that names the request that failed.
 */
export async function seedImage(options: SeedOptions): Promise<string> {
  const token = await logIn(options);
  const call = caller(options, { 'X-Auth-Token': token, Accept: 'application/json' });
  const body = { id: ID, name: 'cirros', visibility: 'public', disk_format: 'qcow2', container_format: 'bare', min_disk: 0, min_ram: 0 };
  const made = await call('POST', '/v2/images', { json: body, allowed: [409] });
  const found = made.status === 409 ? await call('GET', `/v2/images/${ID}`, {}) : made;
  const { status } = JSON.parse(found.text) as { status: string };
  if (status === 'queued') {
    await call('PUT', `/v2/images/${ID}/file`, { bytes: emptyDisk(1024 ** 2), allowed: [409] });
    options.log.info({ imageId: ID }, 'seed image stored');
  }
  return ID;
}

async function logIn(options: SeedOptions): Promise<string> {
  const base = options.identityUrl.replace(/\/+$/, '').replace(/\/v3$/, '');
  const domain = { id: 'default' };
  const auth = {
    identity: { methods: ['password'], password: { user: { name: 'admin', domain, password: options.password } } },
    scope: { project: { name: 'admin', domain } },
  };
  const { headers } = await caller({ ...options, imageUrl: base }, {})('POST', '/v3/auth/tokens?nocatalog', { json: { auth } });
  return String(headers['x-subject-token'] ?? '');
}

interface Sent {
  readonly json?: unknown;
  readonly bytes?: Uint8Array;
  readonly allowed?: readonly number[];
}

const caller =
  ({ imageUrl, timeoutMs = 10_000 }: SeedOptions, headers: Readonly<Record<string, string>>) =>
  async (method: string, path: string, { json, bytes, allowed = [] }: Sent): Promise<HttpAnswer> => {
    const answer = await askHttp(`${imageUrl}${path}`, {
      method,
      signal: AbortSignal.timeout(timeoutMs),
      maxAnswerBytes: MAX_ANSWER_BYTES,
      headers: { ...headers, 'Content-Type': json === undefined ? 'application/octet-stream' : 'application/json' },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      ...(bytes === undefined ? {} : { body: bytes }),
    });
    if (answer.status >= 300 && !allowed.includes(answer.status))
      throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.text}`);
    return answer;
  };
