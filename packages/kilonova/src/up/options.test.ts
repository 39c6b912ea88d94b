import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { readArguments } from '../cli/arguments.ts';
import { readUpOptions, upOptions } from './options.ts';
import { requireFreePorts } from './ports.ts';

const read = (...args: string[]) => readUpOptions(readArguments({ name: 'up', summary: '', options: upOptions, run: async () => 0 }, args));

test('without options it is four hosts on the documented ports in .kilonova', () => {
  expect(read()).toEqual({
    hosts: 4,
    zones: [],
    state: '.kilonova',
    ephemeral: false,
    ports: { identity: 5000, compute: 8774, image: 9292, probes: 8775, postgres: 0 },
  });
});

test('one option moves every port, and a port of its own stays where it was put', () => {
  expect(read('--port-offset', '100', '--image-port', '19292').ports).toEqual({
    identity: 5100,
    compute: 8874,
    image: 19292,
    probes: 8875,
    postgres: 0,
  });
});

test.each([
  { title: 'two listeners on one port', args: ['--image-port', '5000'], says: '--identity-port and --image-port name the same port 5000' },
  { title: 'an offset past the last port', args: ['--port-offset', '60000'], says: 'past the last port' },
  { title: 'a zone named twice', args: ['--zones', 'a,a'], says: 'the zone a is named twice' },
  { title: 'a zone without a name', args: ['--zones', 'a,'], says: 'expected names of zones separated by commas, found ""' },
  { title: 'more zones than hosts', args: ['--zones', 'a,b', '--hosts', '1'], says: '--zones names 2 zones for 1 hosts' },
])('$title is refused', ({ args, says }) => {
  expect(() => read(...args)).toThrow(says);
});

test('a taken port is named together with the option that moves it', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const wanted = [{ what: 'the compute API', port, option: '--compute-port' }];
  await expect(requireFreePorts('127.0.0.1', wanted)).rejects.toThrow(
    `port ${port} of 127.0.0.1, which the compute API wants, is taken by another program: choose another with --compute-port`,
  );
  other.close();
  await once(other, 'close');
  await requireFreePorts('127.0.0.1', wanted);
});
