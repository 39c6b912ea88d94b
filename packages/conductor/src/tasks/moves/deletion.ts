import type { TaskItem } from '../engine/definition.ts';
import type { NewTask } from '../engine/new-task.ts';
import type { OnHost } from '../orders.ts';
import type { TaskServices } from '../services.ts';

/** What follows a task that a delete cancelled: the owner removes the instance. */
export const deletion = (
  { instanceUuid, cancel }: TaskItem<unknown>,
  { host, generation }: OnHost,
  { random, config }: Pick<TaskServices, 'random' | 'config'>,
): NewTask => ({
  ...{ id: random.uuid(), kind: 'delete-instance', instanceUuid, requestId: cancel!.requestId, params: { host, generation } },
  deadlineMs: Number(cancel!['deadlineMs'] ?? config.deleteDeadlineMs),
});
