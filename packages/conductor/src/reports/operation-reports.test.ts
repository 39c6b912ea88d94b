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

test.each([
  { title: 'whose destination cannot be stored', changes: { destination: 'a\0' }, refused: 'destination: expected' },
  { title: 'whose order has no name', changes: { operationId: null as unknown as string }, refused: 'operationId: expected' },
])('a report $title is refused before it can share a transaction, and counts once it is right', async ({ changes, refused }) => {
  await scene.cloud.startConductor('c1');
  for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
  const uuid = await aServer();
  const [from, to] = ['h1', 'h2'].map((name) => scene.cloud.hosts.get(name)!);
  for (const verb of ['prepareIncoming', 'finishIncoming'] as const) to!.behaviour[verb] = 'ignore';
  await act(uuid, 'migrate');
  await expect.poll(() => to!.heard.at(-1)?.verb).toBe('prepareIncoming');
  const { operationId, generation } = to!.heard.at(-1)!.operation;
  const says = (more: Partial<OperationReport>) =>
    to!.report(
      Object.assign(new OperationReport(), { number: 1_000, operationId, instanceUuid: uuid, generation, outcome: 'done', ...more }),
    );
  await expect(says(changes)).rejects.toThrow(refused);
  expect((await says({ destination: 'scripted://h2' })).operationIds).toEqual([operationId]);
  await expect.poll(() => from!.heard.at(-1)).toMatchObject({ verb: 'migrateOut', operation: { destination: 'scripted://h2' } });
});
