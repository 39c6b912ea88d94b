import { expect, test } from 'vitest';
import { createClient, InProcessBroker, VirtualClock } from '../index.ts';
import { echoContract, text } from '../testing/echo.ts';

/** Looks like a signal as far as can be seen without asking it. */
const faulty = {
  aborted: false,
  addEventListener: () => {
    throw new Error('not today');
  },
  removeEventListener: () => undefined,
} as unknown as AbortSignal;

test('a signal that fails when it is listened to leaves no timer, no bytes and no call behind', async () => {
  const clock = new VirtualClock();
  const near = new InProcessBroker({ clock }).connect({ service: 'near', id: '1', maxCalls: 1, maxHeldBytes: 400, maxUnconfirmed: 1 });
  const client = createClient(near, echoContract('signals'));
  near.cut();
  for (let round = 0; round < 3; round++) {
    await expect(client.echo(text('?'), { signal: faulty })).rejects.toThrow('not today');
    await expect(client.note(text('?'), { signal: faulty })).rejects.toThrow('not today');
  }
  expect(clock.pending).toBe(0);
  await expect(clock.until(client.echo(text('?')))).rejects.toMatchObject({ code: 'Unreachable' });
});
