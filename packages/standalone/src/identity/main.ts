import { healthOf, type RunningService, type Surroundings } from '@kilonova/runtime';
import type { Knex } from 'knex';
import { checkDatabase } from '../database/check.ts';
import { databaseFailure } from '../database/failure.ts';
import { openDatabase } from '../database/open.ts';
import type { HttpError } from '../http/error.ts';
import { serveHttp } from '../http/server.ts';
import { bootstrap, type Bootstrap } from './bootstrap.ts';
import { Catalog, type CatalogEntry } from './catalog.ts';
import type { IdentityConfig } from './config.ts';
import type { Identity } from './identity.ts';
import { migrations } from './migrations.ts';
import { Passwords } from './passwords.ts';
import { applicationCredentialRoutes } from './routes/application-credentials.ts';
import { assignmentListRoutes } from './routes/assignment-list.ts';
import { assignmentRoutes } from './routes/assignments.ts';
import { catalogRoutes } from './routes/catalog.ts';
import { discoveryRoutes } from './routes/discovery.ts';
import { domainRoutes } from './routes/domains.ts';
import { limitRoutes } from './routes/limits.ts';
import { ownRoutes } from './routes/own.ts';
import { projectRoutes } from './routes/projects.ts';
import { roleRoutes } from './routes/roles.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { userRoutes } from './routes/users.ts';
import { purgeTokens } from './tokens.ts';

export interface IdentityOptions extends Surroundings {
  readonly config: IdentityConfig;
  /** `postgres://...` of an existing database; tables begin with `identity_`, so it may be shared with the image service. */
  readonly databaseUrl: string;
  /** The cloud's services, read at every login. An identity entry for this service is added when there is none. */
  readonly catalog: readonly CatalogEntry[] | (() => readonly CatalogEntry[]);
  readonly bootstrap: Bootstrap;
}

const ROUTES = [
  tokenRoutes,
  ownRoutes,
  domainRoutes,
  projectRoutes,
  userRoutes,
  roleRoutes,
  assignmentRoutes,
  assignmentListRoutes,
  catalogRoutes,
  limitRoutes,
  applicationCredentialRoutes,
];

export interface RunningIdentity extends RunningService {
  readonly url: string;
  /** Gives the users their passwords. Before, every request gets 503. */
  open(): Promise<void>;
}

/**
 * Starts the built-in identity service (Keystone v3); it is to be opened once everything else could be had, for a process that
 * cannot run must not change the passwords of one that does. Throws when the database or the port cannot be had.
 */
export async function startIdentity(options: IdentityOptions): Promise<RunningIdentity> {
  const { config, databaseUrl, random, log, clock } = options;
  const db = await openDatabase({ url: databaseUrl, limits: config, prefix: 'identity', migrations, log });
  try {
    const passwords = new Passwords({ random, cost: config.scryptCost, maxWaiting: config.maxWaitingLogins });
    let open = false;
    let url = config.publicUrl;
    const catalog = new Catalog(config.region, () => withIdentity(options.catalog, url));
    const identity: Identity = { db, config, clock, random, log, passwords, catalog };
    const http = await serveHttp({
      ...options,
      name: 'identity',
      routes: [...discoveryRoutes, ...ROUTES.flatMap((routes) => routes(identity))],
      open: () => open,
      errorReply,
      translate: databaseFailure,
    });
    url = config.publicUrl || http.url;
    const stopPurging = purgeRegularly(options, db);
    log.info({ url: http.url }, 'identity listens');
    let stopped: Promise<void> | undefined;
    const stop = async () => {
      await http.stop();
      await stopPurging();
      await db.destroy();
    };
    return {
      name: 'identity',
      url: http.url,
      async open() {
        await bootstrap(db, { given: options.bootstrap, passwords, random });
        open = true;
      },
      health: async () => healthOf({ database: await checkDatabase(db) }),
      stop: () => (stopped ??= stop()),
    };
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

function withIdentity(given: IdentityOptions['catalog'], url: string): readonly CatalogEntry[] {
  const entries = typeof given === 'function' ? given() : given;
  return entries.some(({ type }) => type === 'identity')
    ? entries
    : [{ type: 'identity', name: 'keystone', url: `${url.replace(/\/+$/, '')}/v3` }, ...entries];
}

/** The returned function ends it and waits for a statement in hand. */
function purgeRegularly({ clock, config, log }: IdentityOptions, db: Knex): () => Promise<void> {
  let running = Promise.resolve();
  let cancel: () => void;
  let stopping = false;
  const purge = async () => {
    try {
      let removed: number;
      do {
        removed = await purgeTokens(db, clock.now(), config.purgeBatch);
        if (removed > 0) log.debug({ removed }, 'expired tokens removed');
      } while (removed === config.purgeBatch && !stopping); // else more could come than go
    } catch (error) {
      log.warn({ err: error }, 'expired tokens not removed');
    }
  };
  const plan = () => {
    cancel = clock.after(config.purgeIntervalMs, () => {
      running = purge().then(() => {
        if (!stopping) plan();
      });
    });
  };
  plan();
  return () => {
    stopping = true;
    cancel();
    return running;
  };
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Request Entity Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
};

const errorReply = ({ status, message }: HttpError) => ({
  contentType: 'application/json',
  body: JSON.stringify({ error: { code: status, message, title: TITLES[status] ?? 'Error' } }),
});
