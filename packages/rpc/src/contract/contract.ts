import { checkMessageClass, type LookedAt } from '../codec/definition.ts';
import { castFailure, type CastFailure } from '../server/cast-failure.ts';
import { checkLane, deliveryChoice, type DeliveryChoice, type DeliveryOptions } from './delivery-choice.ts';
import { checkRetry, type RetryPolicy } from '../client/retry.ts';
import { isRouteWord } from './lane.ts';
import { checkWait } from '../options.ts';

/** A class whose instances cross the wire: `@Exclude()` on the class, `@Expose()` on each field that travels. */
export type Class<T> = new () => T;

interface MethodBase<Req> {
  /** The version, MAJOR.MINOR, that brought the method. */
  readonly since: string;
  readonly request: Class<Req>;
  /** Since when it should no longer be used, and what instead: `1.4: use select`. Servers warn once per caller. */
  readonly deprecated: string | undefined;
}

/** `control` messages have a queue and handlers of their own: they wait behind no `normal` ones. */
export type Priority = 'control' | 'normal';

interface Directed<Req> {
  readonly priority: Priority;
  /**
   * Messages with the same text are handled one after the other, in the order in which one process sent them; undefined:
   * in any order. At most 256 characters.
   */
  orderedBy?(request: Req): string;
}

interface GivenBase<Req> {
  since: string;
  request: Class<Req>;
  deprecated?: string;
}

interface GivenDirected<Req> extends GivenBase<Req> {
  priority?: Priority;
  orderedBy?(request: Req): string;
}

const BASE = { deprecated: undefined };
const DIRECTED = { ...BASE, priority: 'normal' } as const;

/** Asks one server and waits for its answer. */
export interface CallMethod<Req, Res> extends MethodBase<Req>, Directed<Req> {
  readonly kind: 'call';
  readonly response: Class<Res>;
  /** How long a caller waits when neither it nor its client says otherwise; milliseconds, at most 2 147 483 647 (24.8 days). */
  readonly timeoutMs: number | undefined;
  /** True when a repeat does no harm: such calls are sent again after a reconnect. */
  readonly idempotent: boolean;
  /** Whether and how a client tries it again; only for idempotent methods. */
  readonly retry: RetryPolicy | undefined;
}

/** Tells one server, at least once while the broker lives, and waits for nobody. For work whose row remembers it. */
export interface CastMethod<Req> extends MethodBase<Req>, Directed<Req> {
  readonly kind: 'cast';
  /** When its handler throws; what it leaves open its contract says (`delivery.failure`). */
  readonly failure: CastFailure | undefined;
}

/** Tells all servers that listen now. For news that the next periodic report would bring anyway. */
export interface FanoutMethod<Req> extends MethodBase<Req> {
  readonly kind: 'fanout';
}

/** Asks one server for a large answer, which comes in pieces. */
export interface StreamMethod<Req, Item> extends MethodBase<Req> {
  readonly kind: 'stream';
  readonly item: Class<Item>;
  /** For the whole answer; milliseconds, at most 2 147 483 647. */
  readonly timeoutMs: number | undefined;
}

// The message classes of a method are known to its contract alone; plumbing that handles all of them must say `any`.
/** A method of a contract, of any kind. */
// eslint-disable-next-line typescript/no-explicit-any
export type Method = CallMethod<any, any> | CastMethod<any> | FanoutMethod<any> | StreamMethod<any, any>;
/** The methods of a contract by their names. */
export type Methods = Readonly<Record<string, Method>>;

interface GivenCall<Req, Res> extends GivenDirected<Req> {
  response: Class<Res>;
  timeoutMs?: number;
  idempotent?: boolean;
  retry?: RetryPolicy;
}

/** A method that asks one server and waits for its answer. */
export const call = <Req, Res>(method: GivenCall<Req, Res>): CallMethod<Req, Res> => ({
  ...DIRECTED,
  timeoutMs: undefined,
  idempotent: false,
  retry: undefined,
  ...method,
  kind: 'call',
});

/** A method that tells one server, and is done when the broker has it. */
export const cast = <Req>(method: GivenDirected<Req> & { failure?: CastFailure }): CastMethod<Req> => ({
  ...DIRECTED,
  failure: undefined,
  ...method,
  kind: 'cast',
});

/** A method that tells all servers that listen now. */
export const fanout = <Req>(method: GivenBase<Req>): FanoutMethod<Req> => ({ ...BASE, ...method, kind: 'fanout' });

interface GivenStream<Req, Item> extends GivenBase<Req> {
  item: Class<Item>;
  timeoutMs?: number;
}

/** A method that asks one server for an answer too large for one message. */
export const stream = <Req, Item>(method: GivenStream<Req, Item>): StreamMethod<Req, Item> => ({
  ...BASE,
  timeoutMs: undefined,
  ...method,
  kind: 'stream',
});

/** What a service offers: a topic, a version and methods. */
export interface Contract<M extends Methods = Methods> {
  /** The word that servers listen to and clients send to. */
  readonly topic: string;
  /** Parts contracts of one topic that have histories of their own; undefined for the only, or the plain one. */
  readonly namespace: string | undefined;
  /** MAJOR.MINOR. */
  readonly version: string;
  /** Which exchange its requests take; services with different rights use different ones. */
  readonly exchange: string;
  /** How its messages are kept and sent. */
  readonly delivery: DeliveryChoice;
  readonly methods: M;
}

const WORD = /^[a-z][a-z0-9-]{0,62}$/;
/** Existing services also have names like `dhcp_agent`. */
const TOPIC = /^[a-z][a-z0-9_-]{0,62}$/;
/** These would collide with queue names of the topology. */
const RESERVED_TOPICS = new Set(['fanout', 'reply', 'dead', 'steward', 'events']);
const RESERVED_WORDS = new Set(['at', 'supports', 'then']);

/**
 * @throws TypeError when a name, a version or a method cannot work; the message says which and why.
 */
export function defineContract<M extends Methods>(given: {
  topic: string;
  namespace?: string;
  version: string;
  exchange?: string;
  delivery?: DeliveryOptions;
  methods: M;
}): Contract<M> {
  const { topic, namespace, version, exchange = 'internal', methods } = given;
  if (!TOPIC.test(topic) || RESERVED_TOPICS.has(topic) || isRouteWord(topic)) {
    throw new TypeError(
      `topic ${JSON.stringify(topic)}: expected a lower-case word of letters, digits, "-" and "_", not one of ${[...RESERVED_TOPICS].join(', ')}, classic, quorum, control, ordered-N`,
    );
  }
  if (!WORD.test(exchange)) throw new TypeError(`exchange ${JSON.stringify(exchange)} of ${topic}: expected a lower-case word`);
  if (namespace !== undefined && !WORD.test(namespace))
    throw new TypeError(`namespace ${JSON.stringify(namespace)} of ${topic}: expected a lower-case word`);
  const delivery = deliveryChoice(topic, given.delivery);
  const own = parseVersion(version, `version of ${topic}`);
  for (const [name, method] of Object.entries(methods)) {
    if (RESERVED_WORDS.has(name)) throw new TypeError(`method ${topic}.${name}: the name is taken by the client`);
    const since = parseVersion(method.since, `since of ${topic}.${name}`);
    if (since.major !== own.major || since.minor > own.minor) {
      throw new TypeError(`method ${topic}.${name} is since ${method.since}, but the contract is ${version}`);
    }
    if (method.kind === 'call' && method.retry !== undefined) checkRetry(`${topic}.${name}`, method.retry, method.idempotent);
    if (method.kind === 'call' || method.kind === 'stream') checkWait(`method ${topic}.${name}: timeoutMs`, method.timeoutMs);
    checkLane(`${topic}.${name}`, method);
    if (method.kind === 'cast') castFailure(`method ${topic}.${name}`, delivery.failure, method.failure);
  }
  const contract = { topic, namespace, version, exchange, delivery, methods };
  checkMessages(contract);
  return contract;
}

/** Methods of whose messages all is known: a process may serve one contract many times. */
const known = new WeakSet<Methods>();

/** @throws TypeError naming the method, the class and the field that cannot cross the wire */
export function checkMessages(contract: Pick<Contract, 'topic' | 'namespace' | 'methods'>): void {
  const { methods } = contract;
  if (known.has(methods)) return;
  const lookedAt: LookedAt = new Map();
  let all = true;
  for (const [name, method] of Object.entries(methods)) {
    const where = `method ${contractName(contract)}.${name}`;
    const { minor } = parseVersion(method.since, where);
    const check = (part: string, type: Class<object>) => {
      all = checkMessageClass(`${where}: ${part}`, type, minor, lookedAt) && all;
    };
    check('request', method.request);
    if (method.kind === 'call') check('response', method.response);
    if (method.kind === 'stream') check('item', method.item);
  }
  if (all) known.add(methods);
}

/** As people read it: the topic, with the namespace if there is one. */
export const contractName = ({ topic, namespace }: { readonly topic: string; readonly namespace?: string | undefined }): string =>
  namespace === undefined ? topic : `${topic}/${namespace}`;

/** A method as metrics name it beside the topic: with its namespace, if there is one. */
export const methodLabel = (namespace: string | undefined, method: string): string =>
  namespace === undefined ? method : `${namespace}.${method}`;

/** A version of a contract, read. */
export interface Version {
  readonly major: number;
  readonly minor: number;
}

/**
 * @param where what it is the version of, for the error
 * @throws TypeError when the text is not MAJOR.MINOR of whole numbers.
 */
export function parseVersion(text: string, where = 'version'): Version {
  const match = /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$/.exec(text);
  if (match === null) throw new TypeError(`${where}: expected MAJOR.MINOR like 1.4, got ${JSON.stringify(text)}`);
  return { major: Number(match[1]), minor: Number(match[2]) };
}
