import { expect, test } from 'vitest';
import { AckBatch } from './ack-batch.ts';

function batchWithLog() {
  const said: string[] = [];
  const batch = new AckBatch({ ack: (tag, allUpTo) => void said.push(`${tag}${allUpTo ? ' and below' : ''}`) });
  return { batch, said };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('what ends in one turn is acknowledged by one word', async () => {
  const { batch, said } = batchWithLog();
  for (const tag of [2, 1, 3]) batch.ack(tag);
  expect(said).toEqual([]);
  await turn();
  expect(said).toEqual(['3 and below']);
});

test('a delivery still in hand is never covered by "and below"', async () => {
  const { batch, said } = batchWithLog();
  for (const tag of [1, 3, 4]) batch.ack(tag);
  await turn();
  expect(said).toEqual(['1 and below', '3', '4']);
  for (const tag of [5, 2]) batch.ack(tag);
  await turn();
  expect(said.slice(3)).toEqual(['5 and below']);
});

test('the tag that is named is always one that was not told before', async () => {
  const { batch, said } = batchWithLog();
  batch.ack(3);
  await turn();
  batch.ack(1);
  batch.ack(2); // 1 to 3 have ended, but 3 was told already
  await turn();
  expect(said).toEqual(['3', '2 and below']);
});

test('deliveries that were handed back do not stop later ones from being taken together', async () => {
  const { batch, said } = batchWithLog();
  batch.ack(2);
  batch.flush();
  batch.note(1);
  batch.ack(3);
  batch.ack(4);
  await turn();
  expect(said).toEqual(['2', '4 and below']);
});
