import { expect, test } from 'vitest';
import { decoderFor, encoderFor } from './codec.ts';
import { shape } from './shape.ts';

const Names = shape<readonly string[]>(
  'a list of texts',
  (value) => Array.isArray(value) && value.every((name) => typeof name === 'string'),
);

test('a plain value passes as it is, in any version', () => {
  expect(encoderFor(Names, 0)(['a'])).toEqual(['a']);
  expect(decoderFor(Names, 7)(['a', 'b'])).toEqual(['a', 'b']);
});

test('a plain value that does not fit is refused with what was expected', () => {
  expect(() => decoderFor(Names, 0)('a')).toThrow('Value: expected a list of texts, got string');
});
