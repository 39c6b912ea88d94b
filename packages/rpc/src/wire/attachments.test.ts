import { expect, test } from 'vitest';
import { pack, readable, unpack } from './attachments.ts';
import { decoderFor, encoderFor } from '../codec/codec.ts';
import { MalformedMessage } from '../index.ts';
import { Stated, Unstated } from '../testing/texts.ts';

const LONG = 'x'.repeat(2_000);

test('only a text that is known to be one goes beside the JSON, and only when it is long', () => {
  const beside: (string | Uint8Array)[] = [];
  expect(encoderFor(Stated, 0)(Object.assign(new Stated(), { text: LONG }), beside)).toEqual({ text: 0 });
  expect(beside).toEqual([LONG]);
  for (const [type, text] of [
    [Stated, 'short'],
    [Unstated, LONG],
  ] as const) {
    const none: (string | Uint8Array)[] = [];
    expect(encoderFor<object>(type, 0)(Object.assign(new type(), { text }), none)).toEqual({ text });
    expect(none).toEqual([]);
  }
});

test('without a list for them long texts stay where they are', () => {
  expect(encoderFor(Stated, 0)(Object.assign(new Stated(), { text: LONG }))).toEqual({ text: LONG });
});

test.each([
  ['a number that no attachment has', { text: 1 }, 'Stated.text'],
  ['a number before the first', { text: -1 }, 'Stated.text'],
  ['a part of one', { text: 0.5 }, 'Stated.text'],
])('%s is no text', (_title, value, path) => {
  expect(() => decoderFor(Stated, 0)(value, [Buffer.from(LONG)])).toThrow(
    expect.objectContaining({ code: 'MalformedMessage', details: expect.objectContaining({ path }) }),
  );
});

test('a reader whose class does not know that the field is a text refuses it rather than to give its handler a number', () => {
  expect(() => decoderFor(Unstated, 0)({ text: 0 }, [Buffer.from(LONG)])).toThrow('its sender has another class');
});

test.each([
  ['nothing', Buffer.of(1)],
  ['half a length', Buffer.of(1, 0, 0)],
  ['a length without its bytes', Buffer.of(1, 0, 0, 0, 9)],
  ['an attachment that is cut off', pack('{}', [LONG]).subarray(0, -1)],
  ['a length beyond all bounds', Buffer.of(1, 0xff, 0xff, 0xff, 0xff, 0)],
])('%s after the mark is refused', (_title, bytes) => {
  expect(() => unpack(bytes)).toThrow(MalformedMessage);
});

test('a person sees the JSON and what was beside it, and of what cannot be taken apart all there is', () => {
  expect(readable(pack('{"text":0}', ['grüße']))).toBe('{"text":0}\nattachment 0: grüße');
  expect(readable(Buffer.from('not JSON'))).toBe('not JSON');
  expect(readable(Buffer.of(1, 0, 0, 0, 65))).toBe('\u0001\0\0\0A');
});
