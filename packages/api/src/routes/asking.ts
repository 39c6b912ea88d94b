import { Scope } from '@kilonova/objects';
import type { Class } from '@kilonova/rpc';
import type { Api } from '../api.ts';
import { unavailable } from '../http/api-error.ts';
import type { ApiRequest } from '../http/request.ts';
import type { Route } from './route.ts';

/** A wire object with the given fields; the others keep their defaults. */
export const make = <T extends object>(type: Class<T>, fields: Partial<T>): T => Object.assign(new type(), fields);

/** The policy's name where it refuses the caller, for what the conductor decides once it has seen the rows; null where it does not. */
export const deniedBy = ({ policy }: Api, { caller }: ApiRequest, name: string): string | null =>
  policy.allows(name, caller) ? null : name;

/** Whose eyes the conductor looks through: administrators see every project's rows. */
export function scopeFor(api: Api, request: ApiRequest, { rowPolicy }: Pick<Route, 'rowPolicy'> = {}): Scope {
  const { caller, id } = request;
  const admin = api.policy.allows('context_is_admin', caller);
  return make(Scope, {
    userId: caller.userId,
    projectId: caller.projectId,
    allProjects: admin,
    admin,
    deniedBy: rowPolicy === undefined ? null : deniedBy(api, request, rowPolicy),
    requestId: id,
  });
}

/**
 * What is made of each row of an answer in pieces, as they come: a long list never holds up the others at once.
 * @throws ApiError 503 above `most`: a list is never cut silently
 */
export async function eachOf<T, Made>(
  api: Api,
  pieces: AsyncIterable<readonly T[]>,
  made: (row: T) => Made,
  most: number = api.config.unpagedLimit,
): Promise<Made[]> {
  const all: Made[] = [];
  for await (const piece of pieces) {
    if (all.length + piece.length > most) throw unavailable(`The list has more than ${most} rows.`, api.config.retryAfterSeconds);
    for (const row of piece) all.push(made(row));
  }
  return all;
}

/** All rows of an answer in pieces. @throws ApiError 503 above `most` */
export const collect = <T>(api: Api, pieces: AsyncIterable<readonly T[]>, most?: number): Promise<T[]> =>
  eachOf(api, pieces, (row) => row, most);
