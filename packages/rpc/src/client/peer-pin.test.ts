import { expect, test } from 'vitest';
import { Unreachable, UnsupportedVersion } from '../errors.ts';
import { VirtualClock } from '../in-process/virtual-clock.ts';
import { PeerPin } from './peer-pin.ts';

const EVERY_MS = 1_000;

function aPin(answers: (string | Error)[]) {
  const clock = new VirtualClock();
  const moves: string[] = [];
  let asked = 0;
  const pin = new PeerPin({
    own: '1.3',
    clock,
    everyMs: EVERY_MS,
    ask: async () => {
      asked += 1;
      const answer = answers.shift();
      if (typeof answer === 'string') return answer;
      throw answer ?? new Unreachable('nobody listens');
    },
    onMove: (from, to) => moves.push(`${from} to ${to}`),
  });
  return { pin, clock, moves, asked: () => asked };
}

test('a pin begins with the oldest of its major and follows what the peers say, until they speak the own version', async () => {
  const { pin, clock, moves, asked } = aPin(['1.1', '1.1', '1.3']);
  expect(pin.pin()).toBe('1.0');
  void pin.ask();
  await clock.advance(0);
  expect(pin.pin()).toBe('1.1');
  await clock.advance(10 * EVERY_MS);
  expect(pin.pin()).toBe('1.3');
  expect(moves).toEqual(['1.0 to 1.1', '1.1 to 1.3']);
  expect(asked()).toBe(3);
  expect(clock.pending).toBe(0);
});

test('peers that are newer are spoken to in the own version', async () => {
  const { pin, clock } = aPin(['1.9']);
  void pin.ask();
  await clock.advance(0);
  expect(pin.pin()).toBe('1.3');
});

test('who refuses the question is older than it; who does not answer, or of another major, says nothing', async () => {
  const refusal = new UnsupportedVersion('no', { asked: '1.2', supported: '1.1' });
  const { pin, clock, moves } = aPin(['1.2', new Unreachable('nobody listens'), '2.0', 'nonsense', refusal]);
  void pin.ask();
  await clock.advance(3 * EVERY_MS);
  expect(pin.pin()).toBe('1.2');
  await clock.advance(EVERY_MS);
  expect(moves).toEqual(['1.0 to 1.2', '1.2 to 1.1']);
  pin.stop();
  expect(clock.pending).toBe(0);
});

test('a refusal moves a pin down at once, and it asks again from then on', async () => {
  const { pin, clock, moves, asked } = aPin(['1.3', '1.3']);
  void pin.ask();
  await clock.advance(0);
  pin.onOlderPeer({ supported: '1.2' });
  expect(pin.pin()).toBe('1.2');
  pin.onOlderPeer({ supported: '1.9' });
  pin.onOlderPeer({ supported: '0.1' });
  expect(pin.pin()).toBe('1.2');
  await clock.advance(EVERY_MS);
  expect(moves).toEqual(['1.0 to 1.3', '1.3 to 1.2', '1.2 to 1.3']);
  expect(asked()).toBe(2);
});
