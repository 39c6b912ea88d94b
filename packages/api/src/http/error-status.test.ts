import { errorCodes, failure } from '@kilonova/objects';
import { Busy, ConnectionLost, DeadlineExceeded, RemoteError, Unreachable } from '@kilonova/rpc';
import { expect, test } from 'vitest';
import { statusError } from './error-status.ts';

const statusFor = (code: (typeof errorCodes)[number]) => statusError(failure(code, 'text'), 2)?.status;

test.each(errorCodes)('%s has a status', (code) => {
  expect([400, 403, 404, 409, 503]).toContain(statusFor(code));
});

test('what is not there is 404, but a marker of a list 400; what is there already is 409', () => {
  const missing = errorCodes.filter((code) => code.endsWith('NotFound') && code !== 'MarkerNotFound');
  expect(new Set(missing.map(statusFor))).toEqual(new Set([404]));
  expect(statusFor('MarkerNotFound')).toBe(400);
  expect(new Set(errorCodes.filter((code) => code.endsWith('Exists')).map(statusFor))).toEqual(new Set([409]));
});

test.each([new Unreachable('x'), new ConnectionLost('x'), new Busy('x'), new DeadlineExceeded('x')])(
  '%s means: try again later',
  (error) => {
    expect(statusError(error, 7)).toMatchObject({ status: 503, headers: { 'Retry-After': '7' } });
  },
);

test('what nobody expected has no status', () => {
  expect(statusError(new RemoteError('TypeError', 'x'), 2)).toBeUndefined();
  expect(statusError(new Error('x'), 2)).toBeUndefined();
});
