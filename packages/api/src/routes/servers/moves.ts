import { ActOnServer } from '@kilonova/objects';
import type { Api } from '../../api.ts';
import { badRequest } from '../../http/api-error.ts';
import { Reply, type ApiRequest } from '../../http/request.ts';
import { deniedBy, make } from '../asking.ts';
import type { Route } from '../route.ts';
import { booleanOf } from '../values.ts';
import { ZERO_DISK } from './creating.ts';
import { act, serverRef } from './single.ts';

const SERVERS = 'os_compute_api:servers';
const MIGRATE = 'os_compute_api:os-migrate-server';

const given = <T>({ body }: ApiRequest, { action }: Route): T | null => (body as Readonly<Record<string, T | null>>)[action!] ?? null;

async function ask(api: Api, request: ApiRequest, route: Route, action: string, options: ActOnServer['options']): Promise<void> {
  await api.conductor.actOnServer(make(ActOnServer, { ...serverRef(api, request, route), action, options }), request.rpc);
}

async function resize(api: Api, request: ApiRequest, route: Route) {
  const { flavorRef, 'OS-DCF:diskConfig': diskConfig } = given<{
    readonly flavorRef: string | number;
    readonly 'OS-DCF:diskConfig'?: string;
  }>(request, route)!;
  const zeroDiskDeniedBy = deniedBy(api, request, ZERO_DISK);
  await ask(api, request, route, 'resize', { flavorId: String(flavorRef), diskConfig: diskConfig ?? null, zeroDiskDeniedBy });
  return new Reply(undefined);
}

/** Before 2.56 the scheduler alone chose. */
async function migrate(api: Api, request: ApiRequest, route: Route) {
  const host = request.version >= 56 ? (given<{ readonly host?: string | null }>(request, route)?.host ?? null) : null;
  if (host !== null) api.policy.demand(`${MIGRATE}:migrate:host`, request.caller);
  await ask(api, request, route, 'migrate', { host });
  return new Reply(undefined);
}

interface Target {
  readonly host?: string | null;
  readonly force?: boolean | string;
}

/**
 * Whether the scheduler is passed over: always with a host before `checkedSince`, then when `force` says so, and never
 * from 2.68. @throws ApiError 400 for force without a host
 */
function forcedTo({ host, force }: Target, version: number, checkedSince: number): 'true' | null {
  const asked = version >= checkedSince && version < 68 && booleanOf(force ?? false) === true;
  if (asked && (host ?? null) === null) throw badRequest("Can't force to a non-provided destination");
  return asked || (version < checkedSince && (host ?? null) !== null) ? 'true' : null;
}

/** Whether disks are shared or copied is the drivers' business: block_migration is taken and says nothing. */
async function migrateLive(api: Api, request: ApiRequest, route: Route) {
  const target = given<Target>(request, route)!;
  const force = forcedTo(target, request.version, 30);
  const host = target.host ?? null;
  if (host !== null) api.policy.demand(`${MIGRATE}:migrate_live:host`, request.caller);
  // Up to 2.33 what can never work is refused; later it shows in the instance action.
  await ask(api, request, route, 'liveMigrate', { host, force, ...(request.version >= 34 && { async: 'true' }) });
  return new Reply(undefined);
}

interface Evacuation extends Target {
  readonly adminPass?: string;
  readonly onSharedStorage?: boolean | string;
}

/** Up to 2.13 the answer holds a password, of a server whose disk is made anew; from 2.95 the server is stopped where it comes to. */
async function evacuate(api: Api, request: ApiRequest, route: Route) {
  const { version } = request;
  const target = given<Evacuation>(request, route)!;
  const keepsDisk = booleanOf(target.onSharedStorage ?? false) === true;
  if (keepsDisk && target.adminPass !== undefined) throw badRequest("admin password can't be changed on existing disk");
  const force = forcedTo(target, version, 29);
  await ask(api, request, route, 'evacuate', { host: target.host ?? null, force, stopped: version >= 95 ? 'true' : null });
  if (version >= 14) return new Reply(undefined);
  const { enableInstancePassword, passwordLength } = api.config;
  if (!enableInstancePassword) return {};
  return { adminPass: keepsDisk ? null : (target.adminPass ?? api.random.text(passwordLength)) };
}

const move = (action: string, rowPolicy: string, handle: Route['handle'], success = 202): Route => ({
  ...{ method: 'POST', path: '/servers/{id}/action', action, success, rowPolicy, handle },
});

export const moveRoutes: readonly Route[] = [
  move('resize', `${SERVERS}:resize`, resize),
  move('confirmResize', `${SERVERS}:confirm_resize`, act('confirmResize'), 204),
  move('revertResize', `${SERVERS}:revert_resize`, act('revertResize')),
  move('migrate', `${MIGRATE}:migrate`, migrate),
  move('os-migrateLive', `${MIGRATE}:migrate_live`, migrateLive),
  move('evacuate', 'os_compute_api:os-evacuate', evacuate, 200),
];
