/** An account with its password. */
export interface PasswordLogin {
  readonly user: string;
  readonly password: string;
}

/**
 * The broker takes the account from the client certificate in `tls`: SASL EXTERNAL, RabbitMQ's plugin
 * `rabbitmq_auth_mechanism_ssl`. `user` is the account it makes of it (the distinguished or the common name, by its
 * `ssl_cert_login_from`): messages state it, and a wrong one is refused by the broker.
 */
export interface CertificateLogin {
  readonly user: string;
  readonly certificate: true;
}

/** Who a process is at the broker: by password, or by its certificate. */
export type BrokerLogin = PasswordLogin | CertificateLogin;

/** How the line to an `amqps` address is protected; PEM texts or bytes, not file names. */
export interface BrokerTls {
  /** Whose signature under the broker's certificate is believed. Default: the authorities that Node knows. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[];
  /** Our own certificate, with what stands between it and its authority; and its key. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** Of an encrypted `key`. */
  readonly passphrase?: string;
  /** The name that must be in the broker's certificate, where it is not the host of the address. */
  readonly serverName?: string;
}

/** A value, or a function that is asked for it at every attempt to connect: what it reads may be rotated without a restart. */
export type Asked<T> = T | (() => T | Promise<T>);

/** Who and where the broker is, and who we are to it. */
export interface BrokerAccess {
  readonly urls: readonly string[];
  /** Default: what stands in the address, else `guest`. */
  readonly credentials?: Asked<BrokerLogin> | undefined;
  readonly tls?: Asked<BrokerTls> | undefined;
  readonly heartbeatSeconds: number;
  /** How long one attempt to connect may take, the asking of `credentials` and `tls` included; milliseconds. */
  readonly dialWaitMs: number;
}

/** Where the broker is, for commands that look at it. */
export interface BrokerAccessOptions {
  /** Broker addresses, `amqp://user:password@host:port/vhost`, or `amqps`; tried in turn, from a random one on. One of `url` and `urls` is needed. */
  readonly url?: string;
  readonly urls?: readonly string[];
  /** Who we are; goes before what stands in the address. A function is asked at every attempt to connect. */
  readonly credentials?: Asked<BrokerLogin>;
  /** For `amqps`: whom we believe, and our own certificate. A function is asked at every attempt to connect. */
  readonly tls?: Asked<BrokerTls>;
}

/**
 * The broker's addresses.
 *
 * @throws TypeError for addresses and TLS options that cannot work. It never says an address: it may hold a password.
 */
export function checkedUrls(
  caller: string,
  { url, urls = url === undefined ? [] : [url], credentials, tls }: BrokerAccessOptions,
): readonly string[] {
  if (urls.length === 0) throw new TypeError(`${caller}: expected url, or urls with at least one address`);
  for (const each of urls) {
    if (!URL.canParse(each) || !/^amqps?:$/.test(new URL(each).protocol))
      throw new TypeError(`${caller}: expected addresses like amqp://user:password@host:5672/vhost`);
    if (credentials === undefined && !hasReadableLogin(new URL(each)))
      throw new TypeError(`${caller}: account and password in an address: expected % as %25`);
    if (tls !== undefined && !each.startsWith('amqps:'))
      throw new TypeError(`${caller}: tls is given, but an address says amqp: expected amqps://host:5671/vhost`);
  }
  return urls;
}

function hasReadableLogin({ username, password }: URL): boolean {
  try {
    decodeURIComponent(`${username} ${password}`);
    return true;
  } catch {
    return false;
  }
}
