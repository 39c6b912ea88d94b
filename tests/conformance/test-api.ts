import { apiSection, authSection, imageClientSection, startApi, type ApiConfig } from '@kilonova/api';
import { InProcessBroker } from '@kilonova/rpc';
import { type Health, createMetrics, defaultsOf, silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import { serveCannedConductor, type CannedHandlers } from './canned-conductor.ts';
import { startOutside, type Outside } from './outside-services.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Answers are looked into freely by tests.
  readonly body: any;
  readonly text: string;
}

export interface Ask {
  /** A name of `tokens`; null for none. */
  readonly token?: string | null;
  /** 2.N */
  readonly version?: number | string | null;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestApi {
  readonly url: string;
  readonly outside: Outside;
  /** What the conductor was asked. */
  readonly asked: Awaited<ReturnType<typeof serveCannedConductor>>['asked'];
  health(): Promise<Health>;
  /** Takes the api's connection to the broker away, and gives it back. */
  cutBroker(): void;
  restoreBroker(): void;
  /** Afterwards nobody answers on the broker. */
  stopConductor(): Promise<void>;
  /** Only the service itself; `stop` ends the rest. */
  stopApi(): Promise<void>;
  ask(method: string, path: string, options?: Ask): Promise<Answer>;
  stop(): Promise<void>;
}

/** The real api over HTTP, with canned rows behind it. */
export async function startTestApi(changes: Partial<CannedHandlers> = {}, config: Partial<ApiConfig> = {}): Promise<TestApi> {
  const outside = await startOutside();
  const broker = new InProcessBroker();
  const [conductorSide, apiSide] = [broker.connect({ service: 'conductor', id: 'c1' }), broker.connect({ service: 'api', id: 'a1' })];
  const conductor = await serveCannedConductor(conductorSide, changes);
  const service = await startApi({
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    metrics: createMetrics('api'),
    transport: apiSide,
    config: {
      // Canned rows share an id, and say no revision.
      api: defaultsOf(apiSection, { port: 0, keptServersMb: 0, ...config }),
      auth: defaultsOf(authSection, { url: outside.identityUrl, password: 'secret', cacheMs: 60_000 }),
      glance: defaultsOf(imageClientSection),
    },
  });
  const ask = async (method: string, path: string, { token = 'admin', version = null, body, headers = {} }: Ask = {}): Promise<Answer> => {
    const text = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(`${service.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(token === null ? {} : { 'X-Auth-Token': token }),
        ...(version === null ? {} : { 'OpenStack-API-Version': `compute ${typeof version === 'number' ? `2.${version}` : version}` }),
        ...(text === null ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(text === null ? {} : { body: text }),
    });
    const answered = await response.text();
    return { status: response.status, headers: response.headers, text: answered, body: answered === '' ? undefined : JSON.parse(answered) };
  };
  return {
    url: service.url,
    outside,
    asked: conductor.asked,
    stopConductor: () => conductor.stop(),
    health: async () => service.health(),
    cutBroker: () => apiSide.cut('gone for a test'),
    restoreBroker: () => apiSide.restore(),
    stopApi: () => service.stop(),
    ask,
    async stop() {
      await service.stop();
      await conductor.stop();
      await apiSide.close();
      await conductorSide.close();
      await outside.stop();
    },
  };
}
