import type { Migration } from '../database/open.ts';

/** The identity service's schema. A released migration never changes. */
export const migrations: readonly Migration[] = [
  {
    name: '0001_identity',
    up: async (trx) => {
      await trx.raw(`
        create table identity_domains (
          id text primary key,
          name text not null unique,
          description text not null default '',
          enabled boolean not null default true
        );
        create table identity_projects (
          id text primary key,
          domain_id text not null references identity_domains on delete cascade,
          parent_id text references identity_projects,
          name text not null,
          description text not null default '',
          enabled boolean not null default true,
          tags jsonb not null default '[]',
          options jsonb not null default '{}',
          unique (domain_id, name)
        );
        create index identity_projects_parent on identity_projects (parent_id);
        create table identity_users (
          id text primary key,
          domain_id text not null references identity_domains on delete cascade,
          name text not null,
          password_hash text,
          email text,
          description text,
          enabled boolean not null default true,
          default_project_id text,
          options jsonb not null default '{}',
          unique (domain_id, name)
        );
        create table identity_roles (
          id text primary key,
          name text not null unique,
          description text,
          options jsonb not null default '{}'
        );
        create table identity_implied_roles (
          prior_id text not null references identity_roles on delete cascade,
          implied_id text not null references identity_roles on delete cascade,
          primary key (prior_id, implied_id),
          check (prior_id <> implied_id)
        );
        create table identity_assignments (
          user_id text not null references identity_users on delete cascade,
          role_id text not null references identity_roles on delete cascade,
          -- neither project nor domain: the system
          project_id text references identity_projects on delete cascade,
          domain_id text references identity_domains on delete cascade,
          check (project_id is null or domain_id is null)
        );
        create unique index identity_assignments_once on identity_assignments
          (user_id, role_id, coalesce(project_id, ''), coalesce(domain_id, ''));
        create index identity_assignments_project on identity_assignments (project_id);
        create index identity_assignments_domain on identity_assignments (domain_id);
        create index identity_assignments_role on identity_assignments (role_id);
        create table identity_application_credentials (
          id text primary key,
          user_id text not null references identity_users on delete cascade,
          project_id text not null references identity_projects on delete cascade,
          name text not null,
          description text,
          secret_hash text not null,
          role_ids jsonb not null,
          unrestricted boolean not null default false,
          expires_at timestamptz,
          unique (user_id, name)
        );
        create table identity_tokens (
          -- SHA-256 of the token: who reads this table cannot use what is in it
          hash text primary key,
          user_id text not null references identity_users on delete cascade,
          scope text not null check (scope in ('unscoped', 'project', 'domain', 'system')),
          project_id text references identity_projects on delete cascade,
          domain_id text references identity_domains on delete cascade,
          credential_id text references identity_application_credentials on delete cascade,
          methods jsonb not null,
          audit_ids jsonb not null,
          issued_at timestamptz not null,
          expires_at timestamptz not null,
          check ((scope = 'project') = (project_id is not null)),
          check ((scope = 'domain') = (domain_id is not null))
        );
        create index identity_tokens_expiry on identity_tokens (expires_at);
        create index identity_tokens_user on identity_tokens (user_id);
      `);
    },
  },
];
