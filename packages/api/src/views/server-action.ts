import type { ServerAction, ServerActionEvent } from '@kilonova/objects';
import { hostId } from './server.ts';
import { toMicros, toMicrosOrNull } from './times.ts';
import type { Field, View } from './view.ts';

const EVENTS = 'os_compute_api:os-instance-actions:events';
const DETAILS = 'os_compute_api:os-instance-actions:events:details';

/** Fields of the list. */
export const serverActionFields: readonly Field<ServerAction>[] = [
  { name: 'action', show: ({ action }) => action },
  { name: 'instance_uuid', show: ({ serverUuid }) => serverUuid },
  { name: 'request_id', show: ({ requestId }) => requestId },
  { name: 'user_id', show: ({ userId }) => userId },
  { name: 'project_id', show: ({ projectId }) => projectId },
  { name: 'start_time', show: ({ startTime }) => toMicros(startTime) },
  { name: 'message', show: ({ message }) => message },
  { name: 'updated_at', from: 58, show: ({ updatedAt }) => toMicros(updatedAt) },
];

function event(one: ServerActionEvent, projectId: string, view: View): object {
  const allowed = view.may(EVENTS);
  return {
    event: one.event,
    start_time: toMicros(one.startTime),
    finish_time: toMicrosOrNull(one.finishTime),
    result: one.result,
    ...(allowed ? { traceback: one.traceback } : {}),
    ...(view.version >= 62 ? { hostId: hostId(projectId, one.host) } : {}),
    ...(view.version >= 62 && allowed ? { host: one.host } : {}),
    ...(view.version >= 84 && view.may(DETAILS) ? { details: one.details } : {}),
  };
}

/** Up to 2.50 the events are shown only to those who may see everything of them; later to all, with less in them. */
export const serverActionWithEvents: readonly Field<ServerAction>[] = [
  ...serverActionFields,
  {
    name: 'events',
    show: ({ events, projectId }, view) =>
      view.version < 51 && !view.may(EVENTS) ? undefined : events.map((one) => event(one, projectId, view)),
  },
];
