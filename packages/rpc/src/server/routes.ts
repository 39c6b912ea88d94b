import { parseVersion } from '../contract/contract.ts';
import type { Endpoint } from './endpoint.ts';
import { NoSuchMethod, UnsupportedVersion } from '../errors.ts';
import { sinceMinors, understands } from '../client/pin.ts';

export interface Route {
  readonly endpoint: Endpoint;
  /** Minors that brought its methods. */
  readonly since: ReadonlyMap<string, number>;
  /** Of the sender's version. */
  readonly minor: number;
}

type Candidate = Omit<Route, 'minor'>;

interface Namespace {
  readonly candidates: readonly Candidate[];
  /** By version; undefined: none understands it. */
  readonly judged: Map<string, Route | undefined>;
}

/** Which endpoint of a topic takes a message. */
export class Routes {
  readonly #topic: string;
  /** A peer that names version after version must not make `judged` grow without end. */
  readonly #limit: number;
  readonly #namespaces = new Map<string | undefined, Namespace>();
  /** What is served, for refusals: `1.4, admin 2.0`. */
  readonly #known: string;

  /** @throws TypeError when two endpoints have the same namespace and major. */
  constructor(topic: string, endpoints: readonly Endpoint[], rememberedVersions: number) {
    this.#topic = topic;
    this.#limit = rememberedVersions;
    this.#known = endpoints.map(({ contract }) => nameOf(contract.namespace, contract.version)).join(', ');
    const seen = new Set<string>();
    for (const endpoint of endpoints) {
      const { namespace, version } = endpoint.contract;
      const name = nameOf(namespace, `${parseVersion(version, topic).major}.x`);
      if (seen.has(name)) throw new TypeError(`${topic}: two endpoints serve ${name}; expected one per namespace and major`);
      seen.add(name);
      const candidates = [...(this.#namespaces.get(namespace)?.candidates ?? []), { endpoint, since: sinceMinors(endpoint.contract) }];
      this.#namespaces.set(namespace, { candidates, judged: new Map() });
    }
  }

  /** @throws NoSuchMethod for an unknown namespace, UnsupportedVersion */
  find(namespace: string | undefined, version: string): Route {
    const known = this.#namespaces.get(namespace);
    if (known === undefined) {
      const asked = namespace === undefined ? 'the message names no namespace' : `there is no namespace ${JSON.stringify(namespace)}`;
      throw new NoSuchMethod(`${this.#topic}: ${asked}, this server supports ${this.#known}`, { namespace, supported: this.#known });
    }
    let route = known.judged.get(version);
    if (route === undefined && !known.judged.has(version)) {
      route = judge(known.candidates, version);
      if (known.judged.size < this.#limit) known.judged.set(version, route);
    }
    if (route !== undefined) return route;
    throw new UnsupportedVersion(
      `${this.#topic}: the message is version ${nameOf(namespace, version)}, this server supports ${this.#known}`,
      { asked: version, supported: this.#known },
    );
  }
}

const nameOf = (namespace: string | undefined, version: string) => (namespace === undefined ? version : `${namespace} ${version}`);

/** Undefined for a newer minor, another major, and for what is no version at all. */
function judge(candidates: readonly Candidate[], version: string): Route | undefined {
  try {
    const { minor } = parseVersion(version, 'version');
    const found = candidates.find(({ endpoint }) => understands(endpoint.contract.version, version));
    return found === undefined ? undefined : { ...found, minor };
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
