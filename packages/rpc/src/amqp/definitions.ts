import { createHash, randomBytes } from 'node:crypto';
import { PRIORITIES } from '../notifications/definition.ts';
import { EVENTS, eventKeys } from '../notifications/envelope.ts';
import { checkServerName } from '../wire/wire.ts';
import { FROM_HOSTS, REPLIES_FROM_HOSTS, STEWARD_TOPIC, Topology } from './topology.ts';

/** The accounts that a namespace needs on the broker. */
export interface BrokerAccounts {
  /** Default `kilonova`. */
  readonly namespace?: string;
  /** Default `/`. */
  readonly vhost?: string;
  /** Services that may declare and use everything of the namespace, and nothing else of the broker. */
  readonly trusted: readonly BrokerAccount[];
  /** Accounts that serve one name of one topic, declare nothing, and talk to `talksTo` only. */
  readonly hosts: readonly HostAccount[];
}

/** One account of the broker. */
export interface BrokerAccount {
  readonly user: string;
  /** Without one it can only come by its certificate (`CertificateLogin`). */
  readonly password?: string;
}

/** An account that serves one name of one topic. */
export interface HostAccount extends BrokerAccount {
  readonly topic: string;
  readonly server: string;
  /** Services, by their topic, that it may send requests to (on the exchange `from-hosts`) and may answer. */
  readonly talksTo: readonly string[];
  /** Topics of events that it may publish. Default none. It joins no group: the groups' queues are for services that may declare. */
  readonly publishes?: readonly string[];
}

const NOTHING = '^$';
/** Whichever of these the contract takes: they are all the host's own. */
const OWN_ROUTES = ([undefined, 'classic', 'quorum'] as const).flatMap((queues) =>
  ([undefined, 'control'] as const).map((lane) => ({ queues, lane })),
);
/** What may stand between a topic and `any`: see `routeWord`. */
const ANY_ROUTE = '(\\.(classic|quorum))?(\\.(control|ordered-[0-9]+))?';

/**
 * RabbitMQ's definitions document: accounts with salted password hashes, permissions and topic permissions. It is what
 * `rabbitmqctl import_definitions FILE` takes.
 *
 * A host may not declare (a queue of its own making can name a dead-letter exchange, and so deliver to others with the
 * sender's user id intact), may not write to the default exchange (that reaches every queue by name), reads its own
 * queues, and its routing keys are limited by topic permissions.
 *
 * @throws TypeError for names that cannot be part of a pattern.
 */
export function brokerDefinitions(accounts: BrokerAccounts): Record<string, unknown> {
  const { namespace = 'kilonova', vhost = '/', trusted, hosts } = accounts;
  const topology = new Topology(namespace, 'classic'); // names are the same for both kinds
  const everything = `^${escape(namespace)}\\.`;
  const trustedPermissions = trusted.map(({ user }) => ({ user, vhost, configure: everything, write: everything, read: everything }));
  const hostPermissions = hosts.map(({ user, topic, server, publishes = [] }) => {
    checkServerName(topic);
    checkServerName(server);
    const exchanges = [topology.exchange(FROM_HOSTS), topology.exchange(REPLIES_FROM_HOSTS), topology.deadExchange];
    if (publishes.length > 0) exchanges.push(topology.exchange(EVENTS));
    const queues = [
      ...OWN_ROUTES.map((route) => topology.queue({ kind: 'server', exchange: '', topic, server, ...route }, topic, server)),
      topology.queue({ kind: 'fanout', exchange: '', topic }, topic, server),
      topology.reply(topic, server),
    ].map(({ name }) => name);
    return { user, vhost, configure: NOTHING, write: oneOf(exchanges), read: oneOf(queues) };
  });
  const topicPermissions = hosts.flatMap(({ user, topic, talksTo, publishes = [] }) => {
    const published = publishes.flatMap((each) => PRIORITIES.map((priority) => eventKeys.published(each, priority)));
    const peers = talksTo.map(escape).join('|');
    const limit = (exchange: string, write: string) => ({ user, vhost, exchange, write, read: NOTHING });
    return [
      limit(topology.exchange(FROM_HOSTS), `^(${[STEWARD_TOPIC, ...talksTo].map(escape).join('|')})${ANY_ROUTE}\\.any$`),
      limit(topology.exchange(REPLIES_FROM_HOSTS), talksTo.length === 0 ? NOTHING : `^reply\\.(${peers})\\.[^.]([A-Za-z0-9._-]*)$`),
      limit(topology.deadExchange, oneOf([topic])),
      limit(topology.exchange(EVENTS), published.length === 0 ? NOTHING : oneOf(published)),
    ];
  });
  return {
    users: [...trusted, ...hosts].map(({ user, password }) => ({
      name: user,
      password_hash: password === undefined ? '' : passwordHash(password),
      hashing_algorithm: 'rabbit_password_hashing_sha256',
      tags: [],
    })),
    vhosts: [{ name: vhost }],
    permissions: [...trustedPermissions, ...hostPermissions],
    topic_permissions: topicPermissions,
  };
}

const escape = (text: string) => text.replaceAll(/[^A-Za-z0-9_]/g, (character) => `\\${character}`);
const oneOf = (names: readonly string[]) => `^(${names.map(escape).join('|')})$`;

/** RabbitMQ's form: base64 of a 4-byte salt and the SHA-256 of salt and password. */
function passwordHash(password: string): string {
  const salt = randomBytes(4);
  return Buffer.concat([salt, createHash('sha256').update(salt).update(password, 'utf8').digest()]).toString('base64');
}
