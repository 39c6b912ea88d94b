import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts';
import { anIdentity, caller } from '../testing.ts';

let database: TestDatabase;
let identity: Awaited<ReturnType<typeof anIdentity>>;
beforeAll(async () => {
  database = await freshDatabase();
  identity = await anIdentity(database.url);
});
afterAll(async () => {
  await identity?.stop();
  await database?.drop();
});

const SECRET = 'hunter2';
const login = { id: 'x' };
const identityOf = (method: string, proof: unknown) => ({ auth: { identity: { methods: [method], [method]: proof } } });

test.each([
  { title: 'a password that is too long', json: identityOf('password', { user: { ...login, password: SECRET.repeat(200) } }) },
  { title: 'a password that is no text', json: identityOf('password', { user: { ...login, password: [SECRET] } }) },
  { title: 'a password in a wrong place', json: identityOf('password', SECRET) },
  { title: 'a token that is too long', json: identityOf('token', { id: SECRET.repeat(50) }) },
  { title: 'a secret that is no text', json: identityOf('application_credential', { ...login, secret: { [SECRET]: 1 } }) },
])('$title is refused by its place, and not shown', async ({ json }) => {
  const { status, text } = await caller(identity.url)('POST', '/v3/auth/tokens', { json });
  expect([status, text.includes('Invalid input for auth.identity.'), text.includes(SECRET)]).toEqual([400, true, false]);
});

test('neither is the password that is to be replaced', async () => {
  const json = { user: { original_password: { [SECRET]: 1 }, password: 'new' } };
  const { status, text } = await caller(identity.url)('POST', '/v3/users/x/password', { json });
  expect([status, text.includes('user.original_password'), text.includes(SECRET)]).toEqual([400, true, false]);
});
