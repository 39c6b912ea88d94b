import type { Message } from 'amqplib';
import type { Environment } from '../environment.ts';
import { ConnectionLost, NotAuthorized, Unreachable, type RpcError } from '../errors.ts';
import { watchEventLoop } from '../telemetry/event-loop.ts';
import { Gauges } from '../telemetry/gauges.ts';
import type { Listener } from '../transport.ts';
import { closedError, whenConnected, within } from '../waiting.ts';
import type { ConnectionSettings } from './connection-options.ts';
import type { Consumer } from './consumer.ts';
import { Dialer, type Dial } from './dialer.ts';
import { Link } from './link.ts';
import { Redial } from './redial.ts';
import { brokerError } from './refusals.ts';

/** What a transport does at the turns of its connection. */
export interface ConnectionEvents {
  /** A new link: declares what it needs before any consumer is opened. */
  onLink(link: Link): Promise<void>;
  onReturned(message: Message): void;
  /** Messages or answers may be lost although the connection lives. */
  onBroken(error: RpcError): void;
  /** After `onBroken`: messages flow again. */
  onMended(): void;
  /** What a message was sent to is not there. Settles when it may be tried again. */
  onMissing?(link: Link): Promise<void>;
}

/** While starting, a refusal is looked for this often; milliseconds. */
const LOOK_MS = 100;

/** One link to a broker at a time, opened again whenever it is lost, with all consumers that were on it. */
export class Connection {
  readonly environment: Environment;
  readonly #name: string;
  readonly #settings: ConnectionSettings;
  readonly #events: ConnectionEvents;
  readonly #listeners = new Set<(connected: boolean, reason?: string) => void>();
  readonly #unblocked = new Set<() => void>();
  readonly #consumers = new Set<Consumer>();
  readonly #end = new AbortController();
  #link: Link | undefined;
  #connected = false;
  #blocked: string | undefined;
  #renewing: Promise<void> | undefined;
  readonly #dialer: Dialer;
  readonly #redial: Redial;
  #running: Promise<void> | undefined;
  /** Why the last attempt failed. */
  #lastError: RpcError | undefined;
  #lastReason = 'no attempt was finished';
  /** Until the first connection: when the start gives up. */
  #startEndsAt = Infinity;
  /** The link on which a queue is missing that the steward declares. */
  #incomplete: Link | undefined;

  /** @param name how the broker shows it */
  constructor(name: string, settings: ConnectionSettings, environment: Environment, events: ConnectionEvents) {
    this.#name = name;
    this.#settings = settings;
    this.environment = environment;
    this.#events = events;
    this.#dialer = new Dialer(settings, environment);
    this.#redial = new Redial({ ...settings, addresses: settings.urls.length }, environment.random);
    Gauges.of(this).add('connected', {}, () => Number(this.#connected));
    Gauges.of(this).add('blocked', {}, () => Number(this.#blocked !== undefined));
  }

  /** Aborted by `close`. */
  get closed(): AbortSignal {
    return this.#end.signal;
  }

  /** True when everything is in place. */
  get connected(): boolean {
    return this.#connected;
  }

  /** There is one before `connected`: while consumers are opened, messages come already. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** Why the broker, or the socket to it, takes no messages at present. */
  get blocked(): string | undefined {
    return this.#blocked ?? this.#link?.congested;
  }

  get retryCapMs(): number {
    return this.#settings.retryCapMs;
  }

  /** As `Transport.returnWithin`. */
  returnWithin(ms: number): void {
    this.#redial.spreadMs = ms;
  }

  onChange(listener: (connected: boolean, reason?: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onUnblocked(listener: () => void): () => void {
    this.#unblocked.add(listener);
    return () => this.#unblocked.delete(listener);
  }

  /**
   * Settles with the first link, and stays connected until closed.
   *
   * @throws NotAuthorized when the broker refuses the account, or a certificate is refused; Unreachable after `startWaitMs`. It is closed then.
   */
  async open(): Promise<void> {
    const { clock } = this.environment;
    const { startWaitMs, waitForSteward } = this.#settings;
    this.#startEndsAt = clock.monotonic() + startWaitMs;
    this.#running ??= this.#run();
    this.closed.addEventListener('abort', watchEventLoop(this.environment, this.#settings.loopBlockedMs), { once: true });
    try {
      while (!this.#connected) {
        if (waitForSteward && this.#waitsForSteward) this.#startEndsAt = clock.monotonic() + startWaitMs;
        const leftMs = Math.min(this.#startEndsAt - clock.monotonic(), LOOK_MS);
        if (leftMs <= 0) throw this.#tooLate();
        if (this.closed.aborted) throw closedError();
        await whenConnected(this, leftMs).catch(() => undefined);
        if (this.#lastError instanceof NotAuthorized) throw this.#lastError;
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#startEndsAt = Infinity;
  }

  /** A queue is missing that the steward declares, as the broker says in `reason`; the consumer goes on asking for it. */
  awaitsSteward(link: Link, reason: string): void {
    if (this.#incomplete === link) return;
    this.#incomplete = link;
    this.#lastReason = reason;
    this.#settings.onWaiting?.({ waitsFor: 'steward', reason });
  }

  async close(): Promise<void> {
    this.#end.abort(closedError());
    this.#change(false, 'closed');
    await this.#link?.close();
    await this.#running;
  }

  /**
   * Connects anew, asking for credentials and certificates again, moves everything over, and gives the former link up
   * when nothing is in hand that came over it. Calls in flight do not notice. Settles when that is done.
   *
   * @throws NotAuthorized, Unreachable, ConnectionLost; then all stays on the former link.
   */
  renew(): Promise<void> {
    return (this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    }));
  }

  /** Opens the consumer on this link and each later one. @throws what the broker says against it. */
  async add(consumer: Consumer): Promise<Listener> {
    if (this.#end.signal.aborted) throw closedError();
    this.#consumers.add(consumer);
    try {
      await this.#openNow(consumer);
    } catch (error) {
      this.#consumers.delete(consumer);
      throw brokerError(error);
    }
    return {
      pause: () => consumer.pause(), // a renewal waits for what it has in hand
      close: () => {
        this.#consumers.delete(consumer);
        return consumer.close();
      },
    };
  }

  /** While there is no connection the next one brings it; a link that dies meanwhile is the same case. */
  async #openNow(consumer: Consumer): Promise<void> {
    while (this.#connected && this.#link !== undefined) {
      const link = this.#link;
      await consumer.open(link).catch((error: unknown) => {
        if (link.alive) throw error;
      });
      if (this.#link === link) return;
      void consumer.retire(link); // it was renewed meanwhile
    }
  }

  async #run(): Promise<void> {
    const { clock, log, metrics } = this.environment;
    const redial = this.#redial;
    let links = 0;
    while (!this.#end.signal.aborted) {
      let reason: string;
      let failure: RpcError | undefined;
      try {
        await this.#dial(await this.#dialer.next());
        redial.succeeded();
        metrics.count('connects', {});
        if (links++ > 0) metrics.count('reconnects', {});
        reason = await this.#untilClosed();
        metrics.count('disconnects', {});
      } catch (error) {
        this.#lastError = failure = brokerError(error);
        reason = failure.message;
      }
      this.#link = undefined;
      this.#blocked = undefined;
      this.#lastReason = reason;
      if (this.#end.signal.aborted) return;
      const waitMs = failure === undefined ? redial.lost() : redial.failed(failure.cause, this.#startEndsAt - clock.monotonic());
      log.warn(
        { connection: this.#name, ...this.#dialer.place, reason, waitMs: Math.round(waitMs), failures: redial.failures },
        'no connection to the broker',
      );
      this.#settings.onWaiting?.({ waitsFor: 'broker', reason });
      this.#change(false, reason);
      await clock.sleep(waitMs, this.#end.signal).catch(() => undefined);
    }
  }

  get #waitsForSteward(): boolean {
    return this.#link !== undefined && this.#link === this.#incomplete;
  }

  #tooLate(): Unreachable {
    const { startWaitMs } = this.#settings;
    const what = this.#waitsForSteward ? 'the broker let us in, but nobody declared our queues' : 'no connection to the broker';
    return new Unreachable(`${what} within ${startWaitMs} ms: ${this.#lastReason}`, undefined, { cause: this.#lastError });
  }

  /** Over however many links: one that was renewed is not the end. */
  async #untilClosed(): Promise<string> {
    for (;;) {
      const link = this.#link;
      const reason = (await link?.closed) ?? 'connection closed';
      if (this.#link === link) return reason;
    }
  }

  async #dial(dial: Dial): Promise<void> {
    const link = await this.#openLink(dial);
    if (this.#end.signal.aborted) await link.close();
    this.#link = link;
    try {
      await this.#events.onLink(link);
      await this.#each(
        (consumer) => consumer.open(link),
        () => {
          if (!this.#end.signal.aborted) this.#change(true);
        },
      );
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  #openLink(dial: Dial): Promise<Link> {
    const link = Link.open(dial, this.#name, this.#settings.maxPendingBytes, {
      onReturned: (message) => this.#events.onReturned(message),
      onBroken: (error) => this.#ifOurs(link, () => this.#events.onBroken(error)),
      onMended: () => this.#ifOurs(link, () => this.#events.onMended()),
      onMissing: (opened) => this.#events.onMissing?.(opened) ?? Promise.resolve(),
      onBlocked: (reason) => this.#ifOurs(link, () => this.#block(reason)),
      onDrained: () => this.#tellUnblocked(),
    });
    return link;
  }

  /** What befalls a link that is on its way out, or not in use yet, concerns nobody. */
  #ifOurs(link: Promise<Link>, act: () => void): void {
    void link.then(
      (opened) => {
        if (this.#link === opened) act();
      },
      () => undefined,
    );
  }

  /** Some may be added while others are being dealt with. `end` is called in the turn in which none is left, so that none slips through. */
  async #each(act: (consumer: Consumer) => Promise<void>, end: () => void): Promise<void> {
    const done = new Set<Consumer>();
    for (let left = [...this.#consumers]; left.length > 0; left = [...this.#consumers].filter((one) => !done.has(one))) {
      for (const consumer of left) done.add(consumer);
      await Promise.all(left.map(act));
    }
    end();
  }

  async #renew(): Promise<void> {
    const { clock, log, metrics } = this.environment;
    const { renewGraceMs } = this.#settings;
    const former = this.#link;
    if (!this.#connected || former === undefined) return; // the next attempt asks for everything anyway
    const link = await this.#dialer
      .next()
      .then((dial) => this.#openLink(dial))
      .catch((error: unknown) => {
        throw brokerError(error);
      });
    const moved = new Set<Consumer>(); // some may be closed meanwhile
    try {
      await this.#events.onLink(link);
      await this.#each(
        (consumer) => {
          moved.add(consumer);
          return consumer.open(link);
        },
        () => {
          if (!link.alive || !former.alive || this.#link !== former || this.#end.signal.aborted)
            throw new ConnectionLost('the connection was lost while it was renewed');
          this.#link = link;
        },
      );
    } catch (error) {
      const kept = this.#link;
      if (kept?.alive === true) await this.#events.onLink(kept).catch(() => undefined); // it breaks just now, and is dialled anew
      await Promise.all([...moved].map((consumer) => consumer.leave(link)));
      await link.close();
      throw brokerError(error);
    }
    this.#blocked = undefined;
    this.#tellUnblocked();
    metrics.count('renewals', {});
    // When the later one is lost there is no reason to keep the former.
    const settled = Promise.all([former.settled(), ...[...moved].map((consumer) => consumer.retire(former))]);
    const late = () => new Error(`messages that came over the former connection are still in hand after ${renewGraceMs} ms`);
    await within(clock, renewGraceMs, Promise.race([settled, link.closed]), late).catch((error: Error) =>
      log.warn({ connection: this.#name, reason: error.message }, 'handed back to the broker'),
    );
    await former.close();
  }

  #block(reason: string | undefined): void {
    this.#blocked = reason;
    this.environment.log.warn({ reason }, reason === undefined ? 'the broker takes messages again' : 'the broker blocks messages');
    if (reason === undefined) this.#tellUnblocked();
  }

  #tellUnblocked(): void {
    if (this.blocked === undefined) for (const listener of [...this.#unblocked]) listener();
  }

  #change(connected: boolean, reason?: string): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of [...this.#listeners]) listener(connected, reason);
    if (connected) this.#tellUnblocked(); // what blocked was the link that is gone
  }
}
