import { scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import type { Random } from '@kilonova/runtime';
import { unavailable } from '../http/error.ts';

const KEY_BYTES = 32;
const BLOCK = 8;

interface PasswordOptions {
  readonly random: Random;
  readonly cost: number;
  /** Checks in hand and waiting at most; above it 503. */
  readonly maxWaiting: number;
}

/** Hashes and checks secrets with scrypt. A hash carries its own cost: `scrypt$N$salt$key`. */
export class Passwords {
  readonly #options: PasswordOptions;
  #waiting = 0;

  constructor(options: PasswordOptions) {
    this.#options = options;
  }

  async hash(password: string): Promise<string> {
    const { random, cost } = this.#options;
    const salt = random.text(24);
    return `scrypt$${cost}$${salt}$${(await this.#derive(password, salt, cost)).toString('base64')}`;
  }

  /** Takes as long for a user who does not exist (`stored` null) as for one who does. */
  async matches(password: string, stored: string | null): Promise<boolean> {
    const [, cost, salt, key] = (stored ?? `scrypt$${this.#options.cost}$none$`).split('$');
    const expected = Buffer.from(key ?? '', 'base64');
    const found = await this.#derive(password, salt ?? '', Number(cost));
    return expected.length === found.length && timingSafeEqual(expected, found);
  }

  async #derive(password: string, salt: string, cost: number): Promise<Buffer> {
    if (this.#waiting >= this.#options.maxWaiting) throw unavailable('Too many logins at once. Try again later.');
    const options: ScryptOptions = { N: cost, r: BLOCK, p: 1, maxmem: 256 * cost * BLOCK };
    this.#waiting += 1;
    try {
      return await new Promise((resolve, reject) =>
        scrypt(password.normalize('NFC'), salt, KEY_BYTES, options, (error, key) => (error === null ? resolve(key) : reject(error))),
      );
    } finally {
      this.#waiting -= 1;
    }
  }
}
