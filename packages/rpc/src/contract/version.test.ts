import { expect, test } from 'vitest';
import { parseVersion } from '../index.ts';

test('a text that is no version is refused, with what it is the version of where that is said', () => {
  expect(parseVersion('1.10')).toEqual({ major: 1, minor: 10 });
  expect(() => parseVersion('x')).toThrow('version: expected MAJOR.MINOR like 1.4, got "x"');
  expect(() => parseVersion('1', 'since of work.echo')).toThrow('since of work.echo: expected MAJOR.MINOR like 1.4, got "1"');
});
