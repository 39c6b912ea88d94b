import { MAJOR, MINOR, minorOf } from '@kilonova/objects';
import { defaultLimits } from '@kilonova/rpc';
import { integer, list, mapping, oneOf, section, text, type SectionValues } from '@kilonova/runtime';

const password = (role: string) => text('', { secret: true, help: `With separate accounts: the password of the account "${role}".` });

export const brokerSection = section('broker', {
  urls: list(['amqp://guest:guest@127.0.0.1:5672/'], {
    secret: true,
    help: 'Addresses of the broker, tried in turn: amqp://user:password@host:port/vhost.',
  }),
  pin: text('', {
    help: 'Wire version to speak to all peers, MAJOR.MINOR; empty follows what the oldest that lives understands.',
    check(version) {
      const minor = minorOf(version);
      if (minor === undefined || minor > MINOR)
        throw new Error(`expected a wire version from ${MAJOR}.0 to ${MAJOR}.${MINOR}, found ${JSON.stringify(version)}`);
    },
  }),
  namespace: text('kilonova', { help: 'The first part of every name on the broker; two clouds on one broker need two.' }),
  queues: oneOf(['classic', 'quorum'], 'classic', { help: 'classic for a single broker, quorum for a cluster.' }),
  accounts: oneOf(['shared', 'separate'], 'shared', {
    help: 'shared: every process uses the account in the address. separate: the accounts api, conductor, scheduler, and compute.HOST for each host, made from "kilonova broker definitions"; a host can then reach nothing but its own queues.',
  }),
  apiPassword: password('api'),
  conductorPassword: password('conductor'),
  schedulerPassword: password('scheduler'),
  hostPasswords: mapping<Readonly<Record<string, string>>>(
    {},
    { secret: true, help: 'With separate accounts: host to the password of compute.HOST. A host needs only its own.' },
    (value) => {
      for (const [host, one] of Object.entries(value))
        if (typeof one !== 'string') throw new Error(`expected text as the password of ${host}`);
      return value as Readonly<Record<string, string>>;
    },
  ),
  heartbeatSeconds: integer(30, { min: 1, max: 600, help: 'AMQP heartbeat; a dead connection is noticed within two.' }),
  startWaitMs: integer(30_000, { min: 0, max: 3_600_000, help: 'How long a process waits for the broker when it starts.' }),
  retryBaseMs: integer(100, { min: 10, max: 60_000, help: 'The first wait before a reconnect; doubled each time, with jitter.' }),
  retryCapMs: integer(10_000, { min: 100, max: 600_000, help: 'The longest wait before a reconnect.' }),
  hostRetryBaseMs: integer(2_000, {
    min: 10,
    max: 60_000,
    help: 'The same as retry_base_ms, of compute hosts: when a broker returns, there may be thousands.',
  }),
  hostRetryCapMs: integer(20_000, { min: 100, max: 600_000, help: 'The same as retry_cap_ms, of compute hosts.' }),
  dialWaitMs: integer(10_000, { min: 100, max: 600_000, help: 'How long one attempt to connect may take.' }),
  loopBlockedMs: integer(1_000, {
    min: 10,
    max: 600_000,
    help: 'An event loop that does not come round for so long is reported, in the log and in kilonova_rpc_blocked_event_loop_total.',
  }),
  connectWaitMs: integer(defaultLimits.connectWaitMs, {
    min: 0,
    max: 60_000,
    help: 'How long a message waits for a connection before it fails.',
  }),
  confirmWaitMs: integer(defaultLimits.confirmWaitMs, {
    min: 100,
    max: 60_000,
    help: 'How long a cast waits for the broker to confirm it.',
  }),
  callTimeoutMs: integer(defaultLimits.callTimeoutMs, { min: 100, max: 600_000, help: 'For calls that state no timeout.' }),
  streamTimeoutMs: integer(defaultLimits.streamTimeoutMs, { min: 100, max: 600_000, help: 'For streamed answers that state no timeout.' }),
  beatMs: integer(defaultLimits.beatMs, {
    min: 100,
    max: 600_000,
    help: 'How often a server tells the caller of a long call or stream that it is at work; after two silent ones the caller gives up.',
  }),
  firstBeatMs: integer(defaultLimits.firstBeatMs, {
    min: 10,
    max: 60_000,
    help: 'How soon a server gives the first sign of life of a call or stream, and the least time between two.',
  }),
  resendMs: integer(defaultLimits.resendMs, {
    min: 10,
    max: 60_000,
    help: 'After a reconnect: between attempts to reach a server that was there before, with jitter.',
  }),
  maxMessageBytes: integer(defaultLimits.maxMessageBytes, {
    min: 4_096,
    max: 16_777_216,
    help: 'Larger messages are refused before they leave.',
  }),
  maxCalls: integer(defaultLimits.maxCalls, { min: 1, max: 1_000_000, help: 'Calls in flight of one process.' }),
  maxUnconfirmed: integer(defaultLimits.maxUnconfirmed, {
    min: 1,
    max: 1_000_000,
    help: 'Casts of one process that the broker has not confirmed yet.',
  }),
  maxHeldBytes: integer(defaultLimits.maxHeldBytes, {
    min: 1_048_576,
    max: 17_179_869_184,
    help: 'Bytes of requests of one process that are not over; above, requests fail as busy.',
  }),
  maxPendingBytes: integer(33_554_432, {
    min: 65_536,
    max: 4_294_967_296,
    help: 'Bytes that wait in one process because its socket to the broker takes none; above, messages wait, then fail as busy.',
  }),
  rememberedCasts: integer(defaultLimits.rememberedCasts, {
    min: 1,
    max: 1_000_000,
    help: 'Casts of one process of which a refusal by the receiver is still recognised, and logged.',
  }),
  pieceItems: integer(defaultLimits.pieceItems, { min: 1, max: 1_000, help: 'Rows in one piece of a streamed answer.' }),
  pieceBytes: integer(defaultLimits.pieceBytes, {
    min: 4_096,
    max: 16_777_216,
    help: 'Bytes in one piece of a streamed answer, but for a larger row.',
  }),
  streamWindow: integer(defaultLimits.streamWindow, { min: 1, max: 1_000, help: 'Pieces of one stream on their way at once.' }),
});
export type BrokerConfig = SectionValues<typeof brokerSection>;

export type TrustedRole = 'api' | 'conductor' | 'scheduler';
export const trustedRoles: readonly TrustedRole[] = ['api', 'conductor', 'scheduler'];

/** The broker account of a host's agent. */
export const hostAccount = (host: string): string => `compute.${host}`;

/** '' when none is configured. */
export function passwordOf(config: BrokerConfig, role: TrustedRole): string {
  return { api: config.apiPassword, conductor: config.conductorPassword, scheduler: config.schedulerPassword }[role];
}

/** The addresses with the account that this process uses in them. Throws when its password is missing. */
export function brokerUrls(config: BrokerConfig, who: { readonly role: TrustedRole } | { readonly host: string }): readonly string[] {
  if (config.accounts === 'shared') return config.urls;
  const [user, secret, option] =
    'role' in who
      ? [who.role, passwordOf(config, who.role), `broker.${who.role}_password`]
      : [hostAccount(who.host), config.hostPasswords[who.host] ?? '', `broker.host_passwords of ${who.host}`];
  if (secret === '') throw new Error(`${option} is missing: broker.accounts is "separate", so the account ${user} needs its password`);
  return config.urls.map((url) => {
    const address = new URL(url);
    address.username = encodeURIComponent(user);
    address.password = encodeURIComponent(secret);
    return address.href;
  });
}
