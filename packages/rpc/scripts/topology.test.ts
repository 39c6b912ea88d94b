import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Topology } from '../src/amqp/topology.ts';
import { packageFolder } from './packed.ts';

test('docs/topology.md names the queues as they are', () => {
  const topology = new Topology('kilonova', 'classic');
  const topic = { kind: 'topic', exchange: 'internal', topic: 'TOPIC' } as const;
  const group = { kind: 'group', topic: 'TOPIC', group: 'GROUP', keys: [], maxLength: 1, overflow: 'refuse', unusedMs: 1 } as const;
  const queues = [
    topology.queue(topic, 'SERVICE', 'ID'),
    topology.queue({ ...topic, kind: 'server', server: 'SERVER' }, 'SERVICE', 'ID'),
    topology.queue({ ...topic, lane: 'control' }, 'SERVICE', 'ID'),
    topology.queue({ ...topic, lane: 'ordered-3' }, 'SERVICE', 'ID'),
    topology.queue({ ...topic, queues: 'quorum' }, 'SERVICE', 'ID'),
    topology.queue({ ...topic, kind: 'fanout' }, 'SERVICE', 'ID'),
    topology.reply('SERVICE', 'ID'),
    topology.connectionReply('SERVICE', 'ID', 'CONNECTION'),
    topology.queue(group, 'SERVICE', 'ID'),
  ];
  const page = readFileSync(join(packageFolder, 'docs', 'topology.md'), 'utf8');
  const named = [...page.matchAll(/^\| `([^`]+)` /gm)].map(([, name]) => name);
  expect(named).toEqual([...queues.map(({ name }) => name), topology.deadQueue]);
});
