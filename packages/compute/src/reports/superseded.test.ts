import { failure, version } from '@kilonova/objects';
import { expect, test } from 'vitest';
import { aFarSide, anAgent } from '../testing.ts';

const config = { domainReportMs: 20, domainReturnMs: 20, domainRefreshRounds: 1 };

/** A conductor that believes whichever process registered last. */
async function aBelievingFarSide(state = { registered: '', refusals: 0 }) {
  const far = await aFarSide();
  far.behaviour.register = ({ agent }) => void (state.registered = agent);
  far.behaviour.domains = ({ agent }) => {
    if (agent === state.registered) return;
    state.refusals += 1;
    throw failure('AgentSuperseded', 'Another process registered as host host-1 since this one did.');
  };
  return { far, state };
}

test('a late registration of the process before does not make the living one stand still, however often', async () => {
  const { far, state } = await aBelievingFarSide();
  const { service } = await anAgent({ broker: far.broker, pin: version, config });
  for (let times = 1; times <= 2; times += 1) {
    // Long enough to be believed again.
    const before = far.heard.domains.length;
    await expect.poll(() => far.heard.domains.length).toBeGreaterThan(before + 5);
    state.registered = 'the one before';
    await expect.poll(() => state.refusals).toBe(times);
    await expect.poll(() => state.registered).toBe(far.heard.registrations[0]!.agent);
    expect(far.heard.registrations).toHaveLength(1 + times);
  }
  expect((await service.health()).ok).toBe(true);
});

test('an agent that is refused again soon after it registered once more stands still', async () => {
  const { far, state } = await aBelievingFarSide();
  const { service } = await anAgent({ broker: far.broker, pin: version, config });
  await expect.poll(() => far.heard.domains.length).toBeGreaterThan(0);
  state.registered = 'another one';
  await expect.poll(() => far.heard.registrations.length).toBe(2);
  state.registered = 'another one';
  await expect.poll(async () => (await service.health()).checks['alone']).toMatchObject({ ok: false });
  expect(state).toMatchObject({ registered: 'another one', refusals: 2 });
  const beats = far.heard.heartbeats.length;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(far.heard.heartbeats).toHaveLength(beats);
});

test('of two living agents of one host exactly one goes on speaking', async () => {
  // Each with a broker of its own: on one broker only the younger of the two would get answers.
  const { far: one, state } = await aBelievingFarSide();
  const { far: other } = await aBelievingFarSide(state);
  const agents = [
    await anAgent({ broker: one.broker, pin: version, config }),
    await anAgent({ broker: other.broker, pin: version, config }),
  ];
  const standing = async () => {
    let count = 0;
    for (const { service } of agents) if (!(await service.health()).checks['alone']!.ok) count += 1;
    return count;
  };
  await expect.poll(standing).toBe(1);
  expect(state.refusals).toBe(3);
  const told = () => one.heard.domains.length + other.heard.domains.length;
  const before = told();
  await expect.poll(told).toBeGreaterThan(before + 10);
  expect(await standing()).toBe(1);
  expect(state.refusals).toBe(3);
});
