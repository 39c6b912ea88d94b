import { createHash } from 'node:crypto';
import type { Check, Clock, Logger } from '@kilonova/runtime';
import { BoundedCache } from '../cache/bounded-cache.ts';
import type { AuthConfig } from '../config.ts';
import { JsonClient, UpstreamUnavailable, type JsonAnswer } from '../upstream/json-client.ts';
import { callerFrom, type Caller } from './caller.ts';

/** The token is not known, or not any more. */
export class InvalidToken extends Error {
  constructor() {
    super('the token is not valid');
    this.name = 'InvalidToken';
  }
}

/** The service's own account is not good enough: an operator has to look. */
const NO_ACCOUNT = "the identity service refuses this service's own account (auth.username, auth.password, auth.project_name)";
const MAY_NOT_CHECK =
  "the identity service lets this service's own account (auth.username) check no token: expected the role service in auth.project_name";

/**
 * Asks the identity service who a token belongs to, and whether a project exists. Valid tokens are believed for a
 * bounded time, invalid ones never; many requests with one token ask once.
 */
export class Identity {
  readonly #config: AuthConfig;
  /** Without a slash at the end. */
  readonly #url: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #client: JsonClient;
  /** Has its own limit: many checks at once are no reason to call the service unwell. */
  readonly #probe: JsonClient;
  readonly #callers: BoundedCache<Caller>;
  #ownToken: Promise<{ readonly token: string; readonly until: number }> | undefined;
  /** The trouble that the log names already. */
  #told: string | undefined;

  constructor(config: AuthConfig, { clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    this.#config = config;
    this.#url = `${config.url.replace(/\/+$/, '').replace(/\/v3$/, '')}/v3`;
    this.#clock = clock;
    this.#log = log;
    this.#client = new JsonClient({ name: 'the identity service', clock, ...config });
    this.#probe = new JsonClient({ name: 'the identity service', clock, ...config });
    this.#callers = new BoundedCache(clock, config.cacheSize);
  }

  /** Where clients get tokens. */
  get publicUrl(): string {
    return this.#config.publicUrl === '' ? this.#config.url : this.#config.publicUrl;
  }

  /** @throws InvalidToken, UpstreamUnavailable */
  async callerOf(token: string): Promise<Caller> {
    const key = createHash('sha256').update(token).digest('base64');
    const caller = await this.#callers.get(
      key,
      ({ expiresAt }) => Math.min(this.#config.cacheMs, expiresAt - this.#clock.now()),
      () => this.#check(token),
    );
    if (caller.expiresAt > this.#clock.now()) return caller;
    this.#callers.drop(key);
    throw new InvalidToken();
  }

  /** Through the caller's eyes: false when the identity service says there is none, true when it does not let him know. */
  async projectExists(caller: Caller, projectId: string): Promise<boolean> {
    if (projectId === '.' || projectId === '..') return false; // steps of a path, which no encoding makes a name
    const url = `${this.#url}/projects/${encodeURIComponent(projectId)}`;
    const { status } = await this.#client.ask(url, { headers: { 'X-Auth-Token': caller.token } });
    return status !== 404;
  }

  /** Whether the identity service answers, and takes this service's own account: without it no token can be checked. */
  async health(): Promise<Check> {
    try {
      const { status } = await this.#probe.ask(this.#url, {});
      if (status >= 400) return { ok: false, reason: `identity service at ${this.#url} answers ${status}` };
      await this.#own();
      return { ok: true };
    } catch (error) {
      return { ok: false, reason: (error as Error).message };
    }
  }

  async #check(token: string): Promise<Caller> {
    const { status, body } = await this.#askAsService('/auth/tokens', { 'X-Subject-Token': token });
    if (status === 404) throw new InvalidToken(); // unknown or expired
    // Whatever else it says is about itself or about this service, and must not make clients throw good tokens away.
    if (status === 403) throw this.#trouble(MAY_NOT_CHECK);
    if (status !== 200) throw new UpstreamUnavailable(`the identity service answered ${status} to the check of a token`);
    this.#told = undefined;
    const caller = callerFrom(token, body);
    if (caller === undefined) throw new UpstreamUnavailable('the identity service answered with something that is no token');
    return caller;
  }

  async #askAsService(path: string, headers: Readonly<Record<string, string>>): Promise<JsonAnswer> {
    for (let attempt = 1; ; attempt++) {
      const own = await this.#own();
      const kept = this.#ownToken;
      const answer = await this.#client.ask(`${this.#url}${path}`, { headers: { ...headers, 'X-Auth-Token': own } });
      if (answer.status !== 401) return answer;
      // Revoked, or the identity service forgot it. Whoever hears it later must not drop the token that follows.
      if (this.#ownToken === kept) this.#ownToken = undefined;
      if (attempt === 2) throw this.#trouble(NO_ACCOUNT);
    }
  }

  async #own(): Promise<string> {
    const known = await this.#ownToken?.catch(() => undefined);
    if (known !== undefined && known.until > this.#clock.now()) return known.token;
    const started = (this.#ownToken ??= this.#login());
    try {
      const fresh = await started;
      if (fresh.until > this.#clock.now()) return fresh.token;
    } catch (error) {
      if (this.#ownToken === started) this.#ownToken = undefined;
      throw error;
    }
    if (this.#ownToken === started) this.#ownToken = undefined;
    return this.#own();
  }

  async #login(): Promise<{ token: string; until: number }> {
    const { username, password, projectName, userDomainName, projectDomainName } = this.#config;
    const answer = await this.#client.ask(`${this.#url}/auth/tokens?nocatalog`, {
      method: 'POST',
      body: {
        auth: {
          identity: { methods: ['password'], password: { user: { name: username, domain: { name: userDomainName }, password } } },
          scope: { project: { name: projectName, domain: { name: projectDomainName } } },
        },
      },
    });
    const token = answer.headers['x-subject-token'];
    const expiresAt = Date.parse((answer.body as { token?: { expires_at?: string } } | undefined)?.token?.expires_at ?? '');
    if (answer.status === 401 || answer.status === 403) throw this.#trouble(NO_ACCOUNT);
    if (answer.status !== 201 || typeof token !== 'string' || Number.isNaN(expiresAt))
      throw new UpstreamUnavailable(`the identity service gave this service's own account no token, with status ${answer.status}`);
    if (this.#told === NO_ACCOUNT) this.#told = undefined;
    const left = expiresAt - this.#clock.now();
    if (left <= 0) throw new UpstreamUnavailable('the identity service gave a token that has expired already: compare the clocks');
    // Renewed well before it ends, so that no check meets its end.
    return { token, until: this.#clock.now() + left * 0.8 };
  }

  /** Told to the operator once, until it is over. */
  #trouble(what: string): UpstreamUnavailable {
    if (this.#told !== what) this.#log.error({ url: this.#url, username: this.#config.username }, what);
    this.#told = what;
    return new UpstreamUnavailable(what);
  }
}
