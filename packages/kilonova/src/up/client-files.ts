import { join } from 'node:path';
import { writePrivate, type Passwords } from './state.ts';

/** What a client needs to know of an identity service. */
export interface Login {
  readonly authUrl: string;
  readonly username: string;
  readonly password: string;
  readonly project: string;
}

export const loginsOf = (authUrl: string, { admin, demo }: Passwords) => ({
  kilonova: { authUrl, username: 'admin', password: admin, project: 'admin' },
  demo: { authUrl, username: 'demo', password: demo, project: 'demo' },
});

export const REGION = 'RegionOne';

/** For `openstack --os-cloud NAME`. JSON strings are YAML strings. */
export const cloudsYaml = (clouds: Readonly<Record<string, Login>>): string =>
  [
    'clouds:',
    ...Object.entries(clouds).flatMap(([name, { authUrl, username, password, project }]) => [
      `  ${name}:`,
      '    auth:',
      `      auth_url: ${JSON.stringify(authUrl)}`,
      `      username: ${JSON.stringify(username)}`,
      `      password: ${JSON.stringify(password)}`,
      `      project_name: ${JSON.stringify(project)}`,
      '      user_domain_id: default',
      '      project_domain_id: default',
      `    region_name: ${REGION}`,
      '    interface: public',
      '    identity_api_version: 3',
      // There is no network service yet, and "openstack availability zone list" fails where it expects one.
      '    has_network: false',
    ]),
    '',
  ].join('\n');

const quoted = (value: string) => `'${value.replaceAll("'", `'\\''`)}'`;

/** For `source openrc`, after which `nova` and `openstack` need no options. */
export const openrc = ({ authUrl, username, password, project }: Login): string =>
  `${Object.entries({
    OS_AUTH_URL: authUrl,
    OS_IDENTITY_API_VERSION: '3',
    OS_USERNAME: username,
    OS_PASSWORD: password,
    OS_PROJECT_NAME: project,
    OS_USER_DOMAIN_ID: 'default',
    OS_PROJECT_DOMAIN_ID: 'default',
    OS_REGION_NAME: REGION,
    OS_INTERFACE: 'public',
  })
    .map(([name, value]) => `export ${name}=${quoted(value)}`)
    .join('\n')}\n`;

export function writeClientFiles(folder: string, authUrl: string, passwords: Passwords): void {
  const logins = loginsOf(authUrl, passwords);
  writePrivate(join(folder, 'clouds.yaml'), cloudsYaml(logins));
  writePrivate(join(folder, 'openrc'), openrc(logins.kilonova));
}
