import { expect, test } from 'vitest';
import { statesOf, statusOf } from './status.ts';
import { taskStates, vmStates } from './states.ts';

test.each([
  ['active', null, 'ACTIVE'],
  ['active', 'rebooting_hard', 'HARD_REBOOT'],
  ['active', 'powering-off', 'ACTIVE'],
  ['stopped', 'resize_prep', 'RESIZE'],
  ['soft-delete', null, 'SOFT_DELETED'],
  ['error', 'rebuilding', 'REBUILD'],
] as const)('%s while %s shows as %s', (vmState, taskState, status) => {
  expect(statusOf(vmState, taskState)).toBe(status);
});

test('the states behind a status are exactly those that show as it', () => {
  const statuses = new Set(vmStates.flatMap((vmState) => [null, ...taskStates].map((taskState) => statusOf(vmState, taskState))));
  for (const status of statuses) {
    const rows = statesOf(status);
    for (const vmState of vmStates) {
      for (const taskState of [null, ...taskStates]) {
        const named = rows.some(
          (row) =>
            row.vmState === vmState &&
            (row.except
              ? taskState === null || !row.taskStates.includes(taskState)
              : taskState !== null && row.taskStates.includes(taskState)),
        );
        expect(named, `${status}: ${vmState}, ${taskState}`).toBe(statusOf(vmState, taskState) === status);
      }
    }
  }
});

test('an unknown status has no states', () => {
  expect(statesOf('nonsense')).toEqual([]);
});
