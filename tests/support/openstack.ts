import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTool } from './services/run-tool.ts';

export interface Credentials {
  readonly authUrl: string;
  readonly username: string;
  readonly password: string;
  readonly project: string;
}

/** A person at a terminal with the stock clients. */
export interface StockClients {
  /** `openstack ARGS -f json`, parsed. Throws with the client's words when it fails. */
  json<T = unknown>(...args: readonly string[]): Promise<T>;
  /** `openstack ARGS`, as printed. */
  openstack(...args: readonly string[]): Promise<string>;
  /** `nova ARGS`, as printed. */
  nova(...args: readonly string[]): Promise<string>;
  close(): void;
}

const TIMEOUT_MS = 90_000;

/** The unmodified `openstack` and `nova`, with a home folder of their own: neither configuration nor caches of this machine are used. */
export function stockClients(
  { authUrl, username, password, project }: Credentials,
  options: { readonly microversion?: string } = {},
): StockClients {
  const home = mkdtempSync(join(tmpdir(), 'kilonova-clients-'));
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: home,
    XDG_CACHE_HOME: join(home, 'cache'),
    XDG_CONFIG_HOME: join(home, 'config'),
    LC_ALL: 'C.UTF-8',
    COLUMNS: '200', // else tables are folded to the width of no terminal
    OS_AUTH_TYPE: 'password',
    OS_IDENTITY_API_VERSION: '3',
    OS_AUTH_URL: authUrl,
    OS_USERNAME: username,
    OS_PASSWORD: password,
    OS_PROJECT_NAME: project,
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PROJECT_DOMAIN_NAME: 'Default',
    OS_REGION_NAME: 'RegionOne',
    ...(options.microversion !== undefined && { OS_COMPUTE_API_VERSION: options.microversion }),
  };
  const run = (program: string, args: readonly string[]) => runTool(program, args, { env, timeoutMs: TIMEOUT_MS });
  return {
    json: async <T>(...args: readonly string[]) => JSON.parse(await run('openstack', [...args, '-f', 'json'])) as T,
    openstack: (...args) => run('openstack', args),
    nova: (...args) => run('nova', args),
    close: () => rmSync(home, { recursive: true, force: true }),
  };
}

/** The property table that `nova show` and its like print: name to value. */
export const novaTable = (printed: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    printed
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .map(([, name = '', value = '']) => [name, value]),
  );
