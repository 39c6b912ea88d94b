import { expect, test } from 'vitest';
import { WholeLines } from './whole-lines.ts';

async function passed(...pieces: readonly string[]): Promise<readonly string[]> {
  const lines = new WholeLines();
  const out: string[] = [];
  lines.on('data', (piece: Buffer) => out.push(piece.toString()));
  for (const piece of pieces) lines.write(piece);
  lines.end();
  await new Promise((settle) => lines.once('close', settle));
  return out;
}

test('a line that comes in pieces leaves in one', async () => {
  expect(await passed('one\ntw', 'o', '\nthree\n')).toEqual(['one\n', 'two\nthree\n']);
});

test('what never ended leaves at the end', async () => {
  expect(await passed('one\nand', ' a half')).toEqual(['one\n', 'and a half']);
});

test('what has no end is not kept for ever', async () => {
  const out = await passed('x'.repeat(700_000), 'y'.repeat(700_000), 'z');
  expect(out.map(({ length }) => length)).toEqual([1_400_000, 1]);
});

test('a character that was cut between two pieces stays one', async () => {
  const lines = new WholeLines();
  const out: Buffer[] = [];
  lines.on('data', (piece: Buffer) => out.push(piece));
  const bytes = Buffer.from('größe\n');
  lines.write(bytes.subarray(0, 3));
  lines.end(bytes.subarray(3));
  await new Promise((settle) => lines.once('close', settle));
  expect(Buffer.concat(out).toString()).toBe('größe\n');
});
