// Runs the service as it is, without a broker: time and chance are ours, so a bad day can be had again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient, InProcessBroker, seededRandom, VirtualClock, type Faults } from '@kilonova/rpc';
import { stockContract } from './contract.js';
import { serveStock } from './serve-stock.js';

/** Twenty orders, one after the other, over a broker that does what the faults say. */
async function day(seed: number, faults: Faults) {
  const clock = new VirtualClock();
  const broker = new InProcessBroker({ clock, random: seededRandom(seed) });
  const onShelf = new Map([['apple', 15]]);
  const server = await serveStock(broker.connect({ service: 'stock', id: '1' }), onShelf, () => undefined);
  const orders = createClient(broker.connect({ service: 'orders', id: '1' }), stockContract);
  broker.faults = faults;
  const outcomes: string[] = [];
  const reserve = () => orders.reserve({ item: 'apple', count: 1, note: null });
  const outcome = () =>
    reserve().then(
      () => 'reserved',
      (error) => error.code,
    );
  for (let round = 0; round < 20; round++) outcomes.push(await clock.until(outcome()));
  await clock.until(server.stop());
  return { outcomes, left: onShelf.get('apple'), tookMs: clock.monotonic() };
}

const count = (outcomes: readonly string[], outcome: string) => outcomes.filter((each) => each === outcome).length;

test('on a good day fifteen orders get an apple and five do not', async () => {
  const { outcomes, left } = await day(1, {});
  assert.deepEqual([count(outcomes, 'reserved'), count(outcomes, 'sold_out'), left], [15, 5, 0]);
});

test('where messages are lost, orders end at their deadline, and no apple is sold twice', async () => {
  const { outcomes, left, tookMs } = await day(7, { lose: 0.2, delayMs: 50 });
  const late = count(outcomes, 'DeadlineExceeded');
  assert.ok(late > 0);
  assert.ok(tookMs >= late * 2_000); // by the clock of the test, not by yours
  assert.ok(15 - left! >= count(outcomes, 'reserved')); // a lost answer may have taken one
});

test('a seed brings the same day back', async () => {
  const faults = { lose: 0.2, double: 0.1, delayMs: 50, reorder: 0.1 };
  assert.deepEqual(await day(7, faults), await day(7, faults));
  assert.notDeepEqual(await day(7, faults), await day(8, faults));
});
