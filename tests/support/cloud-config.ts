import { randomBytes } from 'node:crypto';

/** Sections by name, keys in snake_case as in a user's YAML. */
export type ConfigDocument = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface Passwords {
  readonly admin: string;
  readonly demo: string;
  readonly service: string;
}

export const freshPasswords = (): Passwords => ({ admin: secret(), demo: secret(), service: secret() });

const secret = () => randomBytes(12).toString('hex');

export interface Addresses {
  readonly brokerUrl: string;
  readonly namespace: string;
  readonly databaseUrl: string;
  readonly standaloneDatabaseUrl: string;
  readonly ports: { readonly identity: number; readonly image: number; readonly compute: number };
  readonly dir: string;
}

/** What all processes of a test cloud share. Lasting waits are short, so that a fault is noticed while a test looks. */
export function cloudConfig(
  { brokerUrl, namespace, databaseUrl, standaloneDatabaseUrl, ports, dir }: Addresses,
  passwords: Passwords,
): ConfigDocument {
  return {
    broker: { urls: [brokerUrl], namespace, retry_cap_ms: 1_000, host_retry_cap_ms: 1_000 },
    database: { url: databaseUrl },
    conductor: { lease_ms: 3_000, lease_renew_ms: 500, service_down_ms: 10_000, liveness_ms: 500 },
    compute: { heartbeat_ms: 500 },
    api: { port: ports.compute },
    auth: { url: `http://127.0.0.1:${ports.identity}/v3`, password: passwords.service },
    glance: { url: `http://127.0.0.1:${ports.image}` },
    identity: { port: ports.identity },
    image: { port: ports.image },
    standalone: {
      database_url: standaloneDatabaseUrl,
      data_dir: `${dir}/images`,
      compute_url: `http://127.0.0.1:${ports.compute}`,
      admin_password: passwords.admin,
      demo_password: passwords.demo,
      service_password: passwords.service,
    },
    log: { level: 'info' },
  };
}

/** The broker account of each service and of each host, with a password of its own. */
export const separateAccounts = (hosts: readonly string[]): ConfigDocument => ({
  broker: {
    accounts: 'separate',
    api_password: secret(),
    conductor_password: secret(),
    scheduler_password: secret(),
    host_passwords: Object.fromEntries(hosts.map((host) => [host, secret()])),
  },
});

/** `over` wins key by key. */
export const mergedConfig = (under: ConfigDocument, over: ConfigDocument): ConfigDocument =>
  Object.fromEntries([...new Set([...Object.keys(under), ...Object.keys(over)])].map((name) => [name, { ...under[name], ...over[name] }]));
