import { expect, test } from 'vitest';
import { databaseAddress, onDatabase } from './database-address.ts';

test.each([
  ['postgres://ann:SECRET@127.0.0.1/kilonova', '127.0.0.1:5432/kilonova'],
  ['postgresql://ann@db.example:6432/kilonova?sslmode=require', 'db.example:6432/kilonova'],
  ['postgres://[::1]:5433/kilonova', '[::1]:5433/kilonova'],
  ['postgres://ann:SECRET@/kilonova?host=/run/postgresql', '/run/postgresql:5432/kilonova'],
])('the address of %s is shown without its account', (url, shown) => {
  expect(databaseAddress(url)).toBe(shown);
});

test('what fails says which database was asked, also where the system only has parts of a reason', async () => {
  const refused = new AggregateError([new Error('connect ECONNREFUSED ::1:5432'), new Error('connect ECONNREFUSED 127.0.0.1:5432')], '');
  await expect(onDatabase({ url: 'postgres://ann:SECRET@localhost/kilonova' }, () => Promise.reject(refused))).rejects.toThrow(
    'the database localhost:5432/kilonova: connect ECONNREFUSED ::1:5432, connect ECONNREFUSED 127.0.0.1:5432',
  );
});
