import { expect, test } from 'vitest';
import { explain, failureText } from './explain.ts';
import { formats } from './formats.ts';
import { pythonRepr } from './python-text.ts';
import { utcTime } from './times.ts';

test.each([
  ['2026', '2026-01-01T00:00:00.000000Z'],
  ['2026-3', '2026-03-01T00:00:00.000000Z'],
  ['20260304T0506', '2026-03-04T05:06:00.000000Z'],
  ['2026-03-04 05:06:07,5+02:00', '2026-03-04T03:06:07.500000Z'],
  ['2024-02-29', '2024-02-29T00:00:00.000000Z'],
  ['2026-02-29', null],
  ['2026-01-01T24:00', null],
  ['2026-01-01T00:00:60', null],
  ['yesterday', null],
])('the time %s is %s', (text, expected) => {
  expect(utcTime(text)).toBe(expected);
});

test.each([
  {
    format: 'uuid',
    good: ['0e44cc9c-e052-415d-afbf-469b0d384170', '{0E44CC9CE052415DAFBF469B0D384170}', 'urn:uuid:0e44cc9c-e052-415d-afbf-469b0d384170'],
    bad: ['', '0e44', 'g'.repeat(32)],
  },
  { format: 'base64', good: ['', 'aGVsbG8=', 'YQ==', '!!!!'], bad: ['YQ', 'Y', 'ü'] },
  { format: 'cidr', good: ['10.0.0.0/8', 'fe80::/10', '10.0.0.0/255.0.0.0'], bad: ['10.0.0.0', '10.0.0.0/33', ' 10.0.0.0/8'] },
  { format: 'name', good: ['a b', 'ä'], bad: [' a', 'a ', 'a\nb', '\u200b'] },
  { format: 'az_name', good: ['zone 1'], bad: ['zone:1'] },
  { format: 'regex', good: ['a.*', '(?P<n>b)', '(?i)a'], bad: ['', '('] },
  { format: 'ipv6', good: ['::1'], bad: ['fe80::1%eth0', '1.2.3.4'] },
])('format $format', ({ format, good, bad }) => {
  const fits = formats[format] ?? (() => false);
  expect({ good: good.filter(fits), bad: bad.filter(fits) }).toEqual({ good, bad: [] });
});

test('values are printed as Python prints them', () => {
  expect(pythonRepr({ a: [null, true, 1.5, "it's", 'say "no"'], b: {} })).toBe(`{'a': [None, True, 1.5, "it's", 'say "no"'], 'b': {}}`);
});

test.each([
  { schema: { type: ['string', 'null'] }, value: 3, text: "3 is not of type 'string', 'null'" },
  { schema: { minLength: 1 }, value: '', text: "'' should be non-empty" },
  { schema: { minLength: 2 }, value: 'ä', text: "'ä' is too short" },
  { schema: { maxLength: 1 }, value: 'ab', text: "'ab' is too long" },
  { schema: { enum: ['a', 1] }, value: 'b', text: "'b' is not one of ['a', 1]" },
  { schema: { pattern: '^a$' }, value: 'b', text: "'b' does not match '^a$'" },
  { schema: { minimum: 1 }, value: '0', text: "'0' is less than the minimum of 1" },
  { schema: { format: 'uuid' }, value: 'x', text: "'x' is not a 'uuid'" },
  { schema: { oneOf: [{ type: 'string' }, { type: 'null' }] }, value: 1, text: '1 is not valid under any of the given schemas' },
  {
    schema: { additionalProperties: false },
    value: { b: 1, a: 2 },
    text: "Additional properties are not allowed ('a', 'b' were unexpected)",
  },
  { schema: { uniqueItems: true }, value: ['a', 'a'], text: "['a', 'a'] has non-unique elements" },
])('$text', ({ schema, value, text }) => {
  expect(explain(schema, value)?.message).toBe(text);
});

test('a failure inside names the last place of a body and the key of a query', () => {
  const schema = { properties: { limit: { items: { type: 'string' } } } };
  const failure = explain(schema, { limit: [1] })!;
  expect(failureText(failure, 'field/attribute')).toBe("Invalid input for field/attribute 0. Value: 1. 1 is not of type 'string'");
  expect(failureText(failure, 'query parameters')).toBe("Invalid input for query parameters limit. Value: 1. 1 is not of type 'string'");
});
