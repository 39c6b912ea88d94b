import { unescape } from 'node:querystring';
import { credentials as mechanisms, type SocketOptions } from 'amqplib';
import type { Environment } from '../environment.ts';
import { NotAuthorized, Unreachable } from '../errors.ts';
import { within } from '../waiting.ts';
import type { Asked, BrokerAccess, BrokerLogin, BrokerTls } from './login.ts';

/** All that one attempt to connect needs. */
export interface Dial {
  /** Without account and password. */
  readonly url: string;
  /** The account that the broker will know us by. */
  readonly user: string;
  readonly socket: SocketOptions;
}

/** Which broker an attempt went to, and as whom: for logs, so never with a password. */
export interface BrokerPlace {
  readonly host: string;
  readonly port: number;
  readonly vhost: string;
  /** Undefined: it was not known, for `credentials` could not be had. */
  readonly user: string | undefined;
}

/** Chooses the next address, from a random one on in turn, and asks who we are for it. */
export class Dialer {
  readonly #access: BrokerAccess;
  readonly #environment: Environment;
  #next: number;
  #place: BrokerPlace | undefined;

  constructor(access: BrokerAccess, environment: Environment) {
    this.#access = access;
    this.#environment = environment;
    this.#next = Math.floor(environment.random.next() * access.urls.length);
  }

  /** Of the last attempt; undefined before the first. */
  get place(): BrokerPlace | undefined {
    return this.#place;
  }

  /** @throws Unreachable when `credentials` or `tls` cannot be had; NotAuthorized when they are no login. */
  async next(): Promise<Dial> {
    const { urls, credentials, tls, heartbeatSeconds, dialWaitMs } = this.#access;
    const address = new URL(urls[this.#next++ % urls.length] as string);
    this.#place = placeOf(address);
    const login = (await this.#ask('credentials', credentials)) ?? loginOf(address);
    const protection = await this.#ask('tls', tls);
    checkLogin(login, protection);
    this.#place = { ...this.#place, user: login.user };
    address.username = '';
    address.password = '';
    if (!address.searchParams.has('heartbeat')) address.searchParams.set('heartbeat', String(heartbeatSeconds));
    return {
      url: address.href,
      user: login.user,
      socket: {
        // Without noDelay the broker's delayed acknowledgement costs some 40 ms a call.
        noDelay: true,
        keepAlive: true,
        timeout: dialWaitMs,
        credentials: 'password' in login ? mechanisms.plain(login.user, login.password) : mechanisms.external(),
        ...(protection === undefined ? {} : socketTls(protection)),
      },
    };
  }

  /** Whoever is asked may read a file or call a vault, and so may fail or hang. */
  async #ask<T extends object>(name: string, asked: Asked<T> | undefined): Promise<T | undefined> {
    if (typeof asked !== 'function') return asked;
    const { dialWaitMs } = this.#access;
    const late = () => new Error(`no answer within ${dialWaitMs} ms`);
    try {
      return await within(this.#environment.clock, dialWaitMs, (async () => asked())(), late);
    } catch (cause) {
      // Its words are the caller's own; what it was to give is not among ours.
      throw new Unreachable(`${name} could not be had: ${cause instanceof Error ? cause.message : String(cause)}`, undefined, { cause });
    }
  }
}

const placeOf = ({ hostname, port, pathname, protocol }: URL): BrokerPlace => ({
  host: hostname,
  port: Number(port) || (protocol === 'amqps:' ? 5671 : 5672),
  vhost: unescape(pathname.slice(1)) || '/',
  user: undefined,
});

const loginOf = (address: URL): BrokerLogin =>
  address.username === '' && address.password === ''
    ? { user: 'guest', password: 'guest' }
    : { user: decodeURIComponent(address.username), password: decodeURIComponent(address.password) };

function checkLogin(login: BrokerLogin, tls: BrokerTls | undefined): void {
  if (typeof login.user !== 'string' || login.user === '')
    throw new NotAuthorized('credentials: expected { user, password }, found no user');
  if ('password' in login) {
    if (typeof login.password !== 'string') throw new NotAuthorized('credentials: expected password to be a text');
  } else if (!login.certificate) {
    throw new NotAuthorized('credentials: expected { user, password } or { user, certificate: true }');
  } else if (tls?.cert === undefined || tls.key === undefined) {
    throw new NotAuthorized('credentials say that the certificate tells who we are: expected tls with cert and key');
  }
}

const socketTls = ({ ca, cert, key, passphrase, serverName }: BrokerTls): SocketOptions => ({
  ...(ca === undefined ? {} : { ca: typeof ca === 'string' || Buffer.isBuffer(ca) ? ca : [...ca] }),
  ...(cert === undefined ? {} : { cert }),
  ...(key === undefined ? {} : { key }),
  ...(passphrase === undefined ? {} : { passphrase }),
  ...(serverName === undefined ? {} : { servername: serverName }),
});
