import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Template } from './database/fresh.ts';
import { User } from './world/user.ts';
import { World } from './world/world.ts';

let template: Template;
beforeAll(async () => {
  template = await Template.make();
});
afterAll(() => template.drop());

async function calm(seed: number): Promise<string> {
  const began = performance.now();
  const world = await World.make(template, { seed, conductors: 1, schedulers: 1, hosts: 2, fake: { latencyMs: { spawn: 50, remove: 20 } }, ...(process.env['TELL'] && { tell: (line: string) => appendFileSync(process.env['TELL']!, line + '\n') }) });
  try {
    await world.start();
    const user = new User(world, 'ann', 'demo');
    await world.clock.until(user.makeFlavors());
    await world.clock.until(user.hostsUp(2));
    await world.clock.advance(1_000);
    const uuids: string[] = [];
    for (let i = 0; i < 5; i++) uuids.push(...(await world.clock.until(user.create(`k${i}`, `s${i}`, 1 + (i % 3)))));
    await world.clock.advance(10_000);
    for (const uuid of uuids) expect((await world.clock.until(user.show(uuid))).vmState).toBe('active');
    await world.clock.until(Promise.all(uuids.map((uuid) => user.act(uuid, 'delete'))));
    await world.clock.advance(30_000);
    const rows = await world.observer.rows<{ left: number }>('select count(*)::int as left from instances where deleted_at is null');
    expect(rows).toEqual([{ left: 0 }]);
    const digest = world.trace.digest;
    console.log(seed, world.trace.events, 'events', world.turns.done, 'statements', world.clock.monotonic(), 'virtual', performance.now() - began, digest);
    return digest;
  } finally {
    await world.end();
  }
}

test('a calm world does what it is told, and the same twice', async () => {
  const first = await calm(1);
  expect(await calm(1)).toBe(first);
});
