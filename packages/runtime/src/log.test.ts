import { expect, test } from 'vitest';
import { createLogger } from './log.ts';

const logged = (fields: object): string => {
  let lines = '';
  createLogger('test', 'info', { write: (line) => void (lines += line) }).info(fields, 'something happened');
  return lines;
};

test('an event is one line of JSON with its fields, its service and its time', () => {
  expect(JSON.parse(logged({ host: 'host-1' }))).toMatchObject({
    service: 'test',
    host: 'host-1',
    msg: 'something happened',
    time: expect.stringMatching(/Z$/),
  });
});

test.each([
  { title: 'a password', fields: { password: 'hush' } },
  { title: 'a token inside another field', fields: { request: { headers: { authorization: 'hush' } } } },
  {
    title: "the row in a database's error",
    fields: { err: Object.assign(new Error('refused'), { detail: 'Failing row contains (hush).' }) },
  },
])('$title does not reach the log', ({ fields }) => {
  expect(logged(fields)).toContain('something happened');
  expect(logged(fields)).not.toContain('hush');
});
