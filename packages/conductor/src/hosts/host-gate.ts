/**
 * What stands before everything that hosts say: a host speaks for itself only, says what can be true, and takes no more
 * than its share of this conductor. What is refused here had no effect; it is counted by account, and logged by the server.
 */
import { Busy, type Context, RpcError, type ServerInterceptor } from '@kilonova/rpc';
import { Counter } from 'prom-client';
import { checkReport } from '../reports/report-checks.ts';
import type { Services } from '../services.ts';
import { assertHostAccount } from './host-account.ts';

type Caller = Pick<Context, 'caller'>;

export class HostGate {
  readonly #services: Pick<Services, 'config'>;
  readonly #refusals: Counter<'account' | 'code'>;
  /** Requests in work, by account; by host where all share one account. */
  readonly #inHand = new Map<string, number>();

  constructor(services: Pick<Services, 'config' | 'metrics'>) {
    this.#services = services;
    this.#refusals = new Counter({
      ...{ name: 'kilonova_host_refusals_total', help: 'Requests and reports of hosts that were refused, before any effect.' },
      ...{ labelNames: ['account', 'code'] as const, registers: [services.metrics] },
    });
  }

  readonly intercept: ServerInterceptor = async ({ request, method, context }, next) => {
    // A question says nothing of a host: whose it is, its account says.
    const { host } = request as { readonly host?: string };
    const who = this.#admit(context, host, method, request);
    if (who === undefined) return next();
    this.#inHand.set(who, (this.#inHand.get(who) ?? 0) + 1);
    try {
      return await next();
    } catch (error) {
      if (error instanceof RpcError && error.code === 'AgentSuperseded') this.note(context.caller, error.code, 1);
      throw error;
    } finally {
      const left = this.#inHand.get(who)! - 1;
      if (left === 0) this.#inHand.delete(who);
      else this.#inHand.set(who, left);
    }
  };

  /** Something that a host said of what it was not given. */
  note(account: string, code: string, count: number): void {
    this.#refusals.inc({ account, code }, count);
  }

  /** @throws NotAuthorized, InvalidInput, Busy */
  #admit(context: Caller, host: string | undefined, method: string, request: object): string | undefined {
    const { enforceHostAccounts, hostShare } = this.#services.config.conductor;
    try {
      if (host !== undefined) assertHostAccount(context, host, enforceHostAccounts);
      checkReport(method, request, this.#services.config.conductor);
      const who = enforceHostAccounts ? context.caller : host;
      if (who !== undefined && (this.#inHand.get(who) ?? 0) >= hostShare)
        throw new Busy(`${hostShare} requests of ${who} are in work (host_share)`);
      return who;
    } catch (error) {
      if (error instanceof RpcError) this.note(context.caller, error.code, 1);
      throw error;
    }
  }
}
