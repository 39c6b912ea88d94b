/** Which states a resize or a cold migration shows on its way, each to be seen from outside. */
import { describe, expect, test } from 'vitest';
import { stage } from '../../testing/story.ts';

const scene = stage({ resendMinMs: 50, resendMaxMs: 50, moveStepDeadlineMs: 2_000 });
const { act, aServer, rows, servers } = scene;
const host = (name: string) => scene.cloud.hosts.get(name)!;

/** Writes down every state that a transaction leaves. */
const AUDIT = `
  drop table if exists seen;
  create table seen (id serial primary key, state text, transaction bigint default txid_current());
  create or replace function see() returns trigger language plpgsql as $$ begin insert into seen (state) values (new.task_state); return new; end $$;
  create or replace trigger see after update on instances for each row when (old.task_state is distinct from new.task_state) execute function see();`;
const seen = () => rows<{ state: string | null; transaction: string }>('select state, transaction from seen order by id');

async function begin(): Promise<string> {
  await scene.cloud.startConductor('c1');
  for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
  const uuid = await aServer();
  await rows(AUDIT);
  return uuid;
}

const sent = ['resize_prep', 'resize_migrating', 'resize_migrated'] as const;

describe.each([
  { action: 'resize', options: { flavorId: '2' } },
  { action: 'migrate', options: {} },
] as const)('a move by $action', ({ action, options }) => {
  const move = (uuid: string) => act(uuid, action, options as Record<string, string>);

  test('shows its four stages, each of a commit of its own', async () => {
    const uuid = await begin();
    await move(uuid);
    await scene.cloud.settled();
    const stages = await seen();
    expect(stages.map(({ state }) => state)).toEqual([...sent, 'resize_finish', null]);
    expect(new Set(stages.map(({ transaction }) => transaction)).size).toBe(5);
    expect(await servers()).toMatchObject([{ vmState: 'resized', host: 'h2' }]);
  });

  test('that the destination cannot finish shows its last stage until the source has it back', async () => {
    const uuid = await begin();
    host('h2').behaviour.finishIncoming = 'fail';
    await move(uuid);
    await scene.cloud.settled();
    expect((await seen()).map(({ state }) => state)).toEqual([...sent, 'resize_finish', null]);
    expect(await servers()).toMatchObject([{ vmState: 'active', host: 'h1' }]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('does not tell a destination that went down to run it, and goes back', async () => {
    const uuid = await begin();
    host('h1').behaviour.migrateOut = 'ignore';
    await move(uuid);
    await expect.poll(servers).toMatchObject([{ taskState: 'resize_migrating' }]);
    await rows(`update hosts set up = false where host = 'h2'`);
    host('h1').behaviour.migrateOut = 'do';
    await expect.poll(servers).toMatchObject([{ vmState: 'active', taskState: null, host: 'h1', flavorId: '1' }]);
    expect((await seen()).map(({ state }) => state)).toEqual([...sent, null]);
    expect(host('h2').heard.some(({ verb }) => verb === 'finishIncoming')).toBe(false);
    await rows(`update hosts set up = true where host = 'h2'`);
    await scene.cloud.settled();
    await scene.cloud.assertNothingLeftOver();
  });
});
