import { ListServers, ServerFilters, type ServerRevision } from '@kilonova/objects';
import { RpcError } from '@kilonova/rpc';
import type { Api } from '../../api.ts';
import type { Reply, ApiRequest } from '../../http/request.ts';
import { detailFields, detailPolicies } from '../../views/server.ts';
import { keyedView, viewOf, written } from '../../views/view.ts';
import { collect, make } from '../asking.ts';
import { nextLinks, type Page } from '../page.ts';
import { ListText } from './list-text.ts';

/** What these ask for never changes about a server, but for its deletion: a row of the list is in it a moment later as well. */
const LASTING = new Set<string>(['projectIds', 'userIds', 'reservationIds', 'deleted', 'nothing'] satisfies (keyof ServerFilters)[]);

/** Whether each server that is in the list when its revision is read is still meant when it is read itself. */
const isLasting = (filters: ServerFilters): boolean =>
  Object.entries(filters).every(([name, value]) => LASTING.has(name) || value === null || value === undefined);

/**
 * `GET /servers/detail` by revisions: which servers are in the page, and in which state, is asked of the conductor each time; only
 * those that this process has not written in that state before are then read whole. Clients look at the same lists again and again,
 * and little of them has changed.
 *
 * @returns undefined when the list is not one of these, or a conductor is older than revisions
 */
export async function keptDetails(api: Api, request: ApiRequest, page: Page, asked: ListServers): Promise<Reply | undefined> {
  if (api.config.keptServersMb === 0 || !isLasting(asked.filters)) return undefined;
  const revisions = await revisionsOf(api, request, asked);
  if (revisions === undefined) return undefined;
  const { key, view } = keyedView(viewOf(api, request), detailPolicies);
  const kept = api.keptServers.of(key);
  const texts = new Map<string, string>();
  const missing: string[] = [];
  for (const { uuid, revision } of revisions) {
    const text = kept.get(uuid, revision);
    if (text === undefined) missing.push(uuid);
    else texts.set(uuid, text);
  }
  api.keptServers.note(texts.size, missing.length);
  if (missing.length > 0) {
    const fields = detailFields(api.config.instanceNamePrefix);
    const filters = make(ServerFilters, { ...asked.filters, uuids: missing });
    const rest = make(ListServers, { scope: asked.scope, filters, limit: missing.length, revised: true });
    for await (const piece of api.conductor.listServers(rest, request.rpc)) {
      for (const server of piece) {
        const text = written(fields, server, view);
        texts.set(server.uuid, text);
        kept.keep(server.uuid, server.revision, text);
      }
    }
  }
  const list = new ListText();
  for (const { uuid } of revisions) {
    const text = texts.get(uuid);
    if (text !== undefined) list.add(text); // else it was deleted in between
  }
  const next = nextLinks(
    request,
    page,
    revisions.map(({ uuid }) => uuid),
  );
  return list.reply(next);
}

async function revisionsOf(api: Api, request: ApiRequest, asked: ListServers): Promise<readonly ServerRevision[] | undefined> {
  try {
    return await collect(api, api.conductor.listServerRevisions(asked, request.rpc), asked.limit);
  } catch (error) {
    if (error instanceof RpcError && error.code === 'UnsupportedVersion') return undefined;
    throw error;
  }
}
