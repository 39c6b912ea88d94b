import { errorCodes, failure } from '@kilonova/objects';
import { Busy, ConnectionLost, DeadlineExceeded, RemoteError, Unreachable } from '@kilonova/rpc';
import { expect, test } from 'vitest';
import { statusError } from './error-status.ts';

test.each(errorCodes)('%s has a status, and one that fits its group', (code) => {
  const error = statusError(failure(code, 'text'), 2);
  expect([400, 403, 404, 409, 503]).toContain(error?.status);
  if (code.endsWith('NotFound')) expect(error?.status).toBe(code === 'MarkerNotFound' ? 400 : 404);
  if (code.endsWith('Exists')) expect(error?.status).toBe(409);
});

test.each([new Unreachable('x'), new ConnectionLost('x'), new Busy('x'), new DeadlineExceeded('x')])('%s means: try again later', (error) => {
  expect(statusError(error, 7)).toMatchObject({ status: 503, headers: { 'Retry-After': '7' } });
});

test('what nobody expected has no status', () => {
  expect(statusError(new RemoteError('TypeError', 'x'), 2)).toBeUndefined();
  expect(statusError(new Error('x'), 2)).toBeUndefined();
});
