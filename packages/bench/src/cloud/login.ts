/** Where a cloud is and who asks, as every OpenStack client takes it from the environment. */
export interface Login {
  /** With its version: http://127.0.0.1:5000/v3 */
  readonly authUrl: string;
  readonly username: string;
  readonly password: string;
  readonly userDomain: Named;
  readonly project: Named;
  readonly projectDomain: Named;
  readonly region: string | undefined;
  /** public, internal, admin */
  readonly interface: string;
}

export type Named = { readonly id: string } | { readonly name: string };

/** @throws Error that names every variable that is missing */
export function loginFrom(env: NodeJS.ProcessEnv): Login {
  const missing: string[] = [];
  const needed = (name: string) => {
    const value = env[name];
    if (value === undefined || value === '') missing.push(name);
    return value ?? '';
  };
  const named = (prefix: string, fallback?: Named): Named => {
    const id = env[`${prefix}_ID`];
    const name = env[`${prefix}_NAME`];
    if (id !== undefined && id !== '') return { id };
    if (name !== undefined && name !== '') return { name };
    if (fallback === undefined) missing.push(`${prefix}_NAME`);
    return fallback ?? { name: '' };
  };
  const authUrl = needed('OS_AUTH_URL').replace(/\/+$/, '');
  const login: Login = {
    authUrl: authUrl.endsWith('/v3') ? authUrl : `${authUrl}/v3`,
    username: needed('OS_USERNAME'),
    password: needed('OS_PASSWORD'),
    userDomain: named('OS_USER_DOMAIN', { id: 'default' }),
    project: named('OS_PROJECT'),
    projectDomain: named('OS_PROJECT_DOMAIN', { id: 'default' }),
    region: env['OS_REGION_NAME'] === '' ? undefined : env['OS_REGION_NAME'],
    interface: (env['OS_INTERFACE'] ?? 'public').replace(/URL$/, '') || 'public',
  };
  if (missing.length > 0) throw new Error(`the environment lacks ${missing.join(', ')}: source the openrc of the cloud first`);
  return login;
}
