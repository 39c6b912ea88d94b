import semver from 'semver';
import { contractName, parseVersion, type Contract, type Version } from '../contract/contract.ts';
import { UnsupportedVersion } from '../errors.ts';

const full = ({ major, minor }: Version) => `${major}.${minor}.0`;

/**
 * Whether a party that knows `own` understands `asked`: the same major, and no newer minor.
 *
 * @throws TypeError when a text is not MAJOR.MINOR.
 */
export function understands(own: string, asked: string): boolean {
  const known = parseVersion(own, 'version');
  return semver.satisfies(full(parseVersion(asked, 'version')), `${known.major} <=${full(known)}`);
}

/** What has a version, and parts that came with one: a contract, or events. */
export interface Versioned extends Pick<Contract, 'topic' | 'namespace' | 'version'> {
  readonly methods: Readonly<Record<string, { readonly since: string }>>;
}

export const sinceMinors = (contract: Versioned): ReadonlyMap<string, number> =>
  new Map(Object.entries(contract.methods).map(([name, { since }]) => [name, parseVersion(since, name).minor]));

/** The version a client speaks, asked anew for each message so that a pin can move while clients live. */
export class Pin {
  readonly #contract: Versioned;
  readonly #given: () => string;
  /** Minors that brought the methods. */
  readonly #since: ReadonlyMap<string, number>;
  #version = '';
  #parsed: Version & { readonly text: string } = { major: 0, minor: 0, text: '' };

  constructor(contract: Versioned, pin: string | (() => string) | undefined) {
    this.#contract = contract;
    this.#since = sinceMinors(contract);
    this.#given = typeof pin === 'function' ? pin : () => pin ?? contract.version;
    if (typeof pin === 'string') this.current();
  }

  /** @throws UnsupportedVersion when the pin is newer than the contract, or of another major. */
  current(): Version & { readonly text: string } {
    const text = this.#given();
    if (text !== this.#version) {
      if (!understands(this.#contract.version, text)) {
        throw new UnsupportedVersion(`${contractName(this.#contract)}: pinned to ${text}, but this side knows ${this.#contract.version}`, {
          asked: text,
          supported: this.#contract.version,
        });
      }
      this.#parsed = { ...parseVersion(text, 'pin'), text };
      this.#version = text;
    }
    return this.#parsed;
  }

  allows(method: string): boolean {
    const since = this.#since.get(method);
    return since !== undefined && since <= this.current().minor; // the majors are equal, the contract saw to that
  }
}
