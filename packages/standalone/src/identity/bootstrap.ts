import type { Random } from '@kilonova/runtime';
import type { Knex } from 'knex';
import { newId } from './identity.ts';
import type { Passwords } from './passwords.ts';

/** The passwords that the first accounts have after every start. */
export interface Bootstrap {
  readonly adminPassword: string;
  readonly demoPassword: string;
  /** Of the user `nova` in the project `service`. */
  readonly servicePassword: string;
}

const DOMAIN = 'default';
/** Every role with the one it implies. */
const ROLES = [
  ['reader', undefined],
  ['member', 'reader'],
  ['manager', 'member'],
  ['admin', 'manager'],
  ['service', undefined],
] as const;
const PROJECTS = ['admin', 'demo', 'service'] as const;
const USERS = [
  {
    name: 'admin',
    password: 'adminPassword',
    grants: [
      { role: 'admin', project: 'admin' },
      { role: 'admin', project: null },
    ],
  },
  { name: 'demo', password: 'demoPassword', grants: [{ role: 'member', project: 'demo' }] },
  { name: 'nova', password: 'servicePassword', grants: [{ role: 'service', project: 'service' }] },
] as const;

/**
 * Makes what must be there for the first login, and makes it again when somebody removed it: domain `default`, projects,
 * roles, users and their roles. Like `keystone-manage bootstrap` it also sets the passwords and enables the administrator, so
 * that whoever holds the configuration can always get in. Throws an Error for an empty password. Repeatable; two processes at once wait for each other.
 */
export async function bootstrap(
  db: Knex,
  { given, passwords, random }: { given: Bootstrap; passwords: Passwords; random: Random },
): Promise<void> {
  for (const { name, password } of USERS)
    if (given[password] === '') throw new Error(`bootstrap.${password} of the built-in user ${name}: expected a password, found nothing`);
  await db.transaction(async (trx) => {
    await trx.raw('select pg_advisory_xact_lock(hashtext(?))', ['kilonova identity bootstrap']);
    await insertMissing(trx, 'identity_domains', { id: DOMAIN, name: 'Default', description: 'The default domain' });
    const roles = await idsByName(
      trx,
      'identity_roles',
      ROLES.map(([name]) => ({ id: newId(random), name, description: null })),
    );
    for (const [name, implied] of ROLES)
      if (implied !== undefined) await insertMissing(trx, 'identity_implied_roles', { prior_id: roles[name], implied_id: roles[implied] });
    const projects = await idsByName(
      trx,
      'identity_projects',
      PROJECTS.map((name) => ({ id: newId(random), name, domain_id: DOMAIN })),
    );
    const users = await idsByName(
      trx,
      'identity_users',
      USERS.map(({ name }) => ({ id: newId(random), name, domain_id: DOMAIN })),
    );
    // The way in stays open to whoever holds the configuration; others stay as disabled as somebody made them.
    await trx('identity_users').where({ id: users.admin, enabled: false }).update({ enabled: true });
    await trx('identity_projects').where({ id: projects.admin, enabled: false }).update({ enabled: true });
    for (const { name, password, grants } of USERS) {
      await setPassword(trx, { id: users[name], password: given[password], passwords });
      // A user keeps the default project that somebody chose.
      const home = grants[0].project;
      await trx('identity_users').where({ id: users[name], default_project_id: null }).update({ default_project_id: projects[home] });
      for (const { role, project } of grants)
        await insertMissing(trx, 'identity_assignments', {
          user_id: users[name],
          role_id: roles[role],
          project_id: project === null ? null : projects[project],
          domain_id: null,
        });
    }
  });
}

const insertMissing = (trx: Knex, table: string, row: object) => trx(table).insert(row).onConflict().ignore();

async function idsByName<Name extends string>(
  trx: Knex,
  table: string,
  rows: readonly { readonly id: string; readonly name: Name; readonly domain_id?: string }[],
): Promise<Readonly<Record<Name, string>>> {
  for (const row of rows) await insertMissing(trx, table, row);
  const ids: Partial<Record<Name, string>> = {};
  for (const { name, domain_id } of rows) {
    const found = await trx(table)
      .where(domain_id === undefined ? { name } : { name, domain_id })
      .first<{ id: string }>('id');
    ids[name] = found.id;
  }
  return ids as Record<Name, string>;
}

/** A password that is right already keeps its hash. */
async function setPassword(trx: Knex, { id, password, passwords }: { id: string; password: string; passwords: Passwords }): Promise<void> {
  const { password_hash: stored } = await trx('identity_users').where({ id }).first<{ password_hash: string | null }>('password_hash');
  if (stored !== null && (await passwords.matches(password, stored))) return;
  await trx('identity_users')
    .where({ id })
    .update({ password_hash: await passwords.hash(password) });
}
