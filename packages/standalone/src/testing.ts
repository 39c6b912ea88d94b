import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom, type Clock } from '@kilonova/runtime';
import { identitySection, type IdentityConfig } from './identity/config.ts';
import { startIdentity, type RunningIdentity } from './identity/main.ts';
import { imageSection, type ImageConfig } from './image/config.ts';
import { startImage } from './image/main.ts';

/** Real services on a real database, for tests; only time can be moved. */
export const PASSWORDS = { adminPassword: 'admin-pass', demoPassword: 'demo-pass', servicePassword: 'nova-pass' };

/** The system's clock, which a test may move forward. */
export function movableClock(): Clock & { forward(ms: number): void } {
  let ahead = 0;
  return {
    ...systemClock,
    now: () => systemClock.now() + ahead,
    monotonic: () => systemClock.monotonic() + ahead,
    forward: (ms) => void (ahead += ms),
  };
}

const surroundings = (clock: Clock) => ({ clock, random: systemRandom, log: silentLogger, metrics: createMetrics('test') });

export async function anIdentity(
  databaseUrl: string,
  { clock = systemClock, bootstrap = PASSWORDS, ...config }: Partial<IdentityConfig> & { clock?: Clock; bootstrap?: typeof PASSWORDS } = {},
): Promise<RunningIdentity> {
  const identity = await startIdentity({
    ...surroundings(clock),
    databaseUrl,
    bootstrap,
    // A cheap hash, so that tests are about logins and not about waiting for them.
    config: defaultsOf(identitySection, { port: 0, scryptCost: 1_024, ...config }),
    catalog: [{ type: 'compute', name: 'nova', url: 'http://compute.test/v2.1/{project_id}' }],
  });
  try {
    await identity.open();
  } catch (error) {
    await identity.stop();
    throw error;
  }
  return identity;
}

export const anImageService = (
  where: { readonly databaseUrl: string; readonly identityUrl: string; readonly dataDir: string },
  { clock = systemClock, ...config }: Partial<ImageConfig> & { clock?: Clock } = {},
) => startImage({ ...surroundings(clock), ...where, config: defaultsOf(imageSection, { port: 0, ...config }) });

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body read as JSON; undefined when it is none. */
  readonly json: any; // oxlint-disable-line typescript/no-explicit-any -- tests look into answers of every shape
}

export interface Sent {
  readonly token?: string;
  readonly json?: unknown;
  readonly body?: RequestInit['body'];
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request to a service. */
export const caller =
  (url: string) =>
  async (method: string, path: string, { token, json, body, headers }: Sent = {}): Promise<Answer> => {
    const response = await fetch(`${url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        Accept: 'application/json',
        ...(token === undefined ? {} : { 'X-Auth-Token': token }),
        ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      ...(body === undefined ? {} : { body, duplex: 'half' }),
    });
    const text = await response.text();
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      parsed = undefined;
    }
    return { status: response.status, headers: response.headers, text, json: parsed };
  };

const DEFAULT = { id: 'default' };

export const passwordAuth = (name: string, password: string, scope?: unknown) => ({
  auth: {
    identity: { methods: ['password'], password: { user: { name, domain: DEFAULT, password } } },
    ...(scope === undefined ? {} : { scope }),
  },
});

export const inProject = (name: string) => ({ project: { name, domain: DEFAULT } });

/** The token of a login that must succeed. */
export async function logIn(identityUrl: string, name: string, password: string, scope: unknown): Promise<string> {
  const answer = await caller(identityUrl)('POST', '/v3/auth/tokens', { json: passwordAuth(name, password, scope) });
  if (answer.status !== 201) throw new Error(`login of ${name} was answered ${answer.status}: ${answer.text}`);
  return answer.headers.get('x-subject-token') ?? '';
}
