import satisfies from 'semver/functions/satisfies.js'; // the whole package is three times as many files at every start
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
  return satisfies(full(parseVersion(asked, 'version')), `${known.major} <=${full(known)}`);
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
  readonly #given: (server: string | undefined) => string;
  /** Minors that brought the methods. */
  readonly #since: ReadonlyMap<string, number>;
  /** Those that were asked for and are understood: at most one per minor. */
  readonly #spoken = new Map<string, Version & { readonly text: string }>();

  constructor(contract: Versioned, pin: string | ((server: string | undefined) => string) | undefined) {
    this.#contract = contract;
    this.#since = sinceMinors(contract);
    this.#given = typeof pin === 'function' ? pin : () => pin ?? contract.version;
    if (typeof pin === 'string') this.current();
  }

  /**
   * @param server whom it goes to by name; undefined: any of the topic
   * @throws UnsupportedVersion when the pin is newer than the contract, or of another major.
   */
  current(server?: string): Version & { readonly text: string } {
    const text = this.#given(server);
    let spoken = this.#spoken.get(text);
    if (spoken === undefined) {
      if (!understands(this.#contract.version, text)) {
        throw new UnsupportedVersion(`${contractName(this.#contract)}: pinned to ${text}, but this side knows ${this.#contract.version}`, {
          asked: text,
          supported: this.#contract.version,
        });
      }
      spoken = { ...parseVersion(text, 'pin'), text };
      this.#spoken.set(text, spoken);
    }
    return spoken;
  }

  allows(method: string, server?: string): boolean {
    const since = this.#since.get(method);
    return since !== undefined && since <= this.current(server).minor; // the majors are equal, the contract saw to that
  }
}
