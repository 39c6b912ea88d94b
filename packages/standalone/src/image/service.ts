import type { Clock, Logger, Random } from '@kilonova/runtime';
import type { Knex } from 'knex';
import type { Handler, Reply, Request } from '../http/route.ts';
import type { Caller, Callers } from './caller.ts';
import type { ImageConfig } from './config.ts';
import type { ImageStore } from './store.ts';

/** What the routes of this service work with. */
export interface ImageService {
  readonly db: Knex;
  readonly config: ImageConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly callers: Callers;
  readonly store: ImageStore;
}

/** A route for whoever has a good token. */
export const asCaller =
  ({ callers }: ImageService, run: (request: Request, caller: Caller) => Promise<Reply> | Reply): Handler =>
  async (request) =>
    run(request, await callers.of(request));
