import { OperationReport } from '@kilonova/objects';
import { expect, test } from 'vitest';
import { stage } from '../testing/story.ts';

const scene = stage({ resendMinMs: 60_000, resendMaxMs: 60_000 });
const { act, aServer, rows, servers } = scene;

test('a report for a task of a newer release is left for a conductor that knows it', async () => {
  await scene.cloud.startConductor('c1');
  const host = await scene.cloud.startHost('h1');
  const uuid = await aServer();
  host.behaviour.powerOff = 'ignore';
  await act(uuid, 'stop');
  await expect.poll(() => host.heard.at(-1)?.verb).toBe('powerOff');
  const { operationId } = host.heard.at(-1)!.operation;
  const outcome = { number: 1_000, operationId, instanceUuid: uuid, generation: 1, outcome: 'done', power: 4 };
  const report = () => host.report(Object.assign(new OperationReport(), outcome));
  await rows(`update tasks set version = 99 where state = 'parked'`);
  expect((await report()).operationIds).toEqual([]);
  await rows(`update tasks set version = 1 where state = 'parked'`);
  expect((await report()).operationIds).toEqual([operationId]);
  await scene.cloud.settled();
  expect(await servers()).toMatchObject([{ vmState: 'stopped' }]);
});
