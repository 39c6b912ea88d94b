import { createHash } from 'node:crypto';
import { mkdir, open, opendir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Random } from '@kilonova/runtime';
import { badRequest, HttpError, tooLarge } from '../http/error.ts';
import type { Content } from './image.ts';

/**
 * Image files in one folder, named by the image's id. A file gets its name only when it is whole and synced, so that a
 * crash leaves a `.part` file at worst. One process owns the folder.
 */
export class ImageStore {
  readonly #dir: string;
  readonly #random: Random;

  private constructor(dir: string, random: Random) {
    this.#dir = dir;
    this.#random = random;
  }

  static async open(dir: string, random: Random): Promise<ImageStore> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return new ImageStore(dir, random);
  }

  /** Takes a body of at most `maxBytes`. Throws HttpError 413 beyond, 400 when the client goes away, 507 when the disk takes no more. */
  async write(id: string, body: Readable, { maxBytes, diskFormat }: { maxBytes: number; diskFormat: string | null }): Promise<Content> {
    const part = `${this.#path(id)}.${this.#random.uuid()}.part`;
    const file = await open(part, 'wx', 0o600);
    try {
      const [md5, sha512] = [createHash('md5'), createHash('sha512')];
      let size = 0;
      let head = Buffer.alloc(0);
      for await (const piece of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += piece.length;
        if (size > maxBytes) throw tooLarge(`The image is too large: at most ${maxBytes} bytes are taken.`);
        if (head.length < QCOW2_HEAD) head = Buffer.concat([head, piece.subarray(0, QCOW2_HEAD - head.length)]);
        md5.update(piece);
        sha512.update(piece);
        await file.appendFile(piece); // writes all of it: a single write of a disk that fills up takes a part and says nothing
      }
      await file.sync();
      await file.close();
      await rename(part, this.#path(id));
      await this.#sync();
      const virtual_size = virtualSize(diskFormat, head, size);
      return { size, virtual_size, checksum: md5.digest('hex'), os_hash_algo: 'sha512', os_hash_value: sha512.digest('hex') };
    } catch (error) {
      await file.close().catch(() => {}); // closed already when the rename failed
      await unlink(part).catch(() => {}); // renamed already when the folder could not be synced
      throw uploadFailure(error);
    }
  }

  /** Both ends included. Throws HttpError 404 when the file is gone. */
  async read(id: string, range: { readonly start: number; readonly end: number }): Promise<Readable> {
    const file = await open(this.#path(id), 'r').catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? new HttpError(404, 'The data of this image is gone.') : error;
    });
    return file.createReadStream(range);
  }

  async remove(id: string): Promise<void> {
    await unlink(this.#path(id)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }

  /** At the start: removes what a crash left behind and says how many files. `known` tells which ids have a file. */
  async sweep(known: (ids: readonly string[]) => Promise<ReadonlySet<string>>): Promise<number> {
    let removed = 0;
    let batch: string[] = [];
    const flush = async () => {
      const keep = await known(batch);
      for (const name of batch.filter((candidate) => !keep.has(candidate))) {
        await unlink(join(this.#dir, name));
        removed += 1;
      }
      batch = [];
    };
    for await (const entry of await opendir(this.#dir)) {
      if (!entry.isFile() || !OURS.test(entry.name)) continue;
      batch.push(entry.name);
      if (batch.length === SWEEP_BATCH) await flush();
    }
    await flush();
    return removed;
  }

  async #sync(): Promise<void> {
    const dir = await open(this.#dir, 'r');
    try {
      await dir.sync();
    } finally {
      await dir.close();
    }
  }

  #path(id: string): string {
    return join(this.#dir, id);
  }
}

const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const OURS = new RegExp(`^${UUID}(\\.${UUID}\\.part)?$`);
const SWEEP_BATCH = 500;
const QCOW2_HEAD = 32;

/** Bytes that a guest sees, where the format says so at its beginning (qcow2: bytes 24 to 31, big endian). */
function virtualSize(diskFormat: string | null, head: Buffer, size: number): number | null {
  if (diskFormat === 'raw' || diskFormat === 'iso') return size;
  if (diskFormat !== 'qcow2' || head.length < QCOW2_HEAD || head.readUInt32BE(0) !== 0x514649fb) return null;
  const bytes = head.readBigUInt64BE(24);
  return bytes <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(bytes) : null;
}

function uploadFailure(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
    return new HttpError(507, 'There is no room for the image on the server.', { cause: error });
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE') return badRequest('The upload ended early.');
  return error;
}
