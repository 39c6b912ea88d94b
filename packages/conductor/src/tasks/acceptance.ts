import { type ActionRule, type ActOnServer, failure, serverActions, type ServerActionName } from '@kilonova/objects';
import { refuseUnlessAllowed } from '../admission/action-rules.ts';
import { addActions, findAsked, startEvents } from '../db/action-events.ts';
import type { Transaction } from '../db/connection.ts';
import type { InstanceRow } from '../db/instance-changes.ts';
import type { TaskRow } from '../db/tasks.ts';
import { refuseIfDenied } from '../handlers/scopes.ts';
import type { Services } from '../services.ts';

/** An action that is allowed by scope, lock and state, in the transaction that accepts it. */
export interface Begun {
  readonly services: Services;
  readonly trx: Transaction;
  readonly request: ActOnServer;
  /** Locked. */
  readonly instance: InstanceRow;
  /** Its live task, locked. */
  readonly live: TaskRow | undefined;
  readonly rule: ActionRule;
}

/** The ids of tasks to be woken after the commit. */
export type Woken = readonly string[];

/** The instance action of a request. */
export const actionOf = ({ scope }: ActOnServer, { uuid }: Pick<InstanceRow, 'uuid'>, action: string) => ({
  instanceUuid: uuid,
  requestId: scope.requestId,
  action,
  projectId: scope.projectId,
  userId: scope.userId,
});

/** Writes the action and its first events, which go on. */
export async function record(
  { trx, request, instance }: Pick<Begun, 'trx' | 'request' | 'instance'>,
  action: string,
  events: readonly string[],
  host: string | null,
): Promise<void> {
  await addActions(trx, [actionOf(request, instance, action)]);
  await startEvents(
    trx,
    events.map((event) => ({ instanceUuid: instance.uuid, requestId: request.scope.requestId, event, host })),
  );
}

/**
 * Requests that come once more, by a broken connection or a conductor that died behind its commit: whoever asked is answered as
 * the first time, and nothing is done again, whatever others have done to the server since.
 *
 * @param instances locked; a copy waits here for the one that is at it
 */
export async function acceptedBefore(
  trx: Transaction,
  requests: readonly ActOnServer[],
  instances: ReadonlyMap<string, InstanceRow>,
): Promise<ReadonlySet<ActOnServer>> {
  const seen = requests.filter(({ uuid, scope }) => {
    const instance = instances.get(uuid.toLowerCase());
    return instance !== undefined && (scope.allProjects || instance.projectId === scope.projectId);
  });
  const keyOf = ({ uuid, scope: { requestId } }: ActOnServer) => ({ instanceUuid: uuid.toLowerCase(), requestId });
  const asked = await findAsked(trx, seen.map(keyOf));
  return new Set(seen.filter((request) => asked.has(Object.values(keyOf(request)).join(' '))));
}

export const notFound = (uuid: string) => failure('ServerNotFound', `Instance ${uuid} could not be found.`);

/** Whether the scope sees the (locked) server. @throws ServerNotFound, PolicyDenied */
export function checkScope({ uuid, scope }: ActOnServer, instance: InstanceRow | undefined): InstanceRow {
  if (instance === undefined || instance.deletedAt !== null || (!scope.allProjects && instance.projectId !== scope.projectId))
    throw notFound(uuid);
  refuseIfDenied(scope);
  return instance;
}

/** The rule of the action, which allows it. @throws ServerLocked, ServerStateConflict, ServerNotReady, InvalidInput */
export function checkRule({ action, options, scope }: ActOnServer, instance: InstanceRow): ActionRule {
  const name = action === 'reboot' ? (isHard(options) ? 'rebootHard' : 'rebootSoft') : action;
  const known = Object.keys(serverActions).filter((one) => !one.startsWith('metadata'));
  if (!known.includes(name)) throw failure('InvalidInput', `action: expected one of ${known.join(', ')}, found ${JSON.stringify(action)}`);
  const rule = serverActions[name as ServerActionName];
  refuseUnlessAllowed(rule, instance, scope);
  return rule;
}

export const isHard = (options: ActOnServer['options']): boolean => options['type']?.toUpperCase() === 'HARD';
