import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import { healthOf, type RunningService, type Surroundings } from '@kilonova/runtime';
import { checkDatabase } from '../database/check.ts';
import { databaseFailure } from '../database/failure.ts';
import { openDatabase } from '../database/open.ts';
import type { HttpError } from '../http/error.ts';
import { serveHttp } from '../http/server.ts';
import { Callers } from './caller.ts';
import type { ImageConfig } from './config.ts';
import { idsWithContent, requeueInterrupted } from './images.ts';
import { migrations } from './migrations.ts';
import { dataRoutes } from './routes/data.ts';
import { discoveryRoutes } from './routes/discovery.ts';
import { imageRoutes } from './routes/images.ts';
import { memberRoutes } from './routes/members.ts';
import { schemaRoutes } from './routes/schemas.ts';
import { tagRoutes } from './routes/tags.ts';
import type { ImageService } from './service.ts';
import { ImageStore } from './store.ts';

export interface ImageOptions extends Surroundings {
  readonly config: ImageConfig;
  /** `postgres://...` of an existing database; tables begin with `image_`, so it may be shared with the identity service. */
  readonly databaseUrl: string;
  /** Where tokens are checked, with or without `/v3`. */
  readonly identityUrl: string;
  /** Folder of the image files, made when missing. One process owns it. */
  readonly dataDir: string;
}

/** Starts the built-in image service (Glance v2). Throws when database, folder or port cannot be had. */
export async function startImage(options: ImageOptions): Promise<RunningService & { readonly url: string }> {
  const { config, databaseUrl, identityUrl, dataDir, clock, random, log } = options;
  const db = await openDatabase({ url: databaseUrl, limits: config, prefix: 'image', migrations, log });
  try {
    const store = await ImageStore.open(dataDir, random);
    let open = false;
    const callers = new Callers({ identityUrl, config, clock });
    const service: ImageService = { db, config, clock, random, log, callers, store };
    const http = await serveHttp({
      ...options,
      name: 'image',
      routes: [
        ...discoveryRoutes,
        ...[imageRoutes, dataRoutes, tagRoutes, memberRoutes, schemaRoutes].flatMap((routes) => routes(service)),
      ],
      open: () => open,
      errorReply,
      translate: databaseFailure,
    });
    // Behind the port: whoever has it is the one process, and no upload of another one is interrupted.
    try {
      const requeued = await requeueInterrupted(db);
      const removed = await store.sweep((ids) => idsWithContent(db, ids));
      if (requeued + removed > 0) log.info({ requeued, removed }, 'cleaned up after interrupted uploads');
    } catch (error) {
      await http.stop();
      throw error;
    }
    open = true;
    log.info({ url: http.url }, 'image listens');
    let stopped: Promise<void> | undefined;
    const stop = async () => {
      await http.stop();
      await db.destroy();
    };
    return {
      name: 'image',
      url: http.url,
      health: async () => healthOf({ database: await checkDatabase(db) }),
      stop: () => (stopped ??= stop()),
    };
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

/**
 * Glance answers errors in HTML, or in JSON to those who ask for it by name. glanceclient accepts anything and reads
 * the HTML; a JSON body of this shape would crash it.
 */
function errorReply({ status, message }: HttpError, { headers }: IncomingMessage): { contentType: string; body: string } {
  const title = STATUS_CODES[status] ?? 'Error';
  if (headers.accept?.includes('application/json') === true)
    return { contentType: 'application/json', body: JSON.stringify({ message, code: `${status} ${title}`, title }) };
  return {
    contentType: 'text/html; charset=UTF-8',
    body: `<html>\n <head>\n  <title>${status} ${title}</title>\n </head>\n <body>\n  <h1>${status} ${title}</h1>\n  ${escape(message)}<br /><br />\n </body>\n</html>`,
  };
}

const escape = (message: string) => message.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
