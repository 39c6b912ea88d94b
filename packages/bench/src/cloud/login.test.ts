import { expect, test } from 'vitest';
import { loginFrom } from './login.ts';

const env = { OS_AUTH_URL: 'http://cloud:5000/', OS_USERNAME: 'ann', OS_PASSWORD: 'secret', OS_PROJECT_NAME: 'demo' };

test('a login is what an openrc sets, with the usual defaults', () => {
  expect(loginFrom(env)).toEqual({
    ...{ authUrl: 'http://cloud:5000/v3', username: 'ann', password: 'secret', region: undefined, interface: 'public' },
    ...{ userDomain: { id: 'default' }, project: { name: 'demo' }, projectDomain: { id: 'default' } },
  });
});

test('ids count before names', () => {
  const given = { ...env, OS_PROJECT_ID: 'p-1', OS_USER_DOMAIN_NAME: 'Users', OS_INTERFACE: 'internalURL', OS_REGION_NAME: 'North' };
  expect(loginFrom(given)).toMatchObject({ project: { id: 'p-1' }, userDomain: { name: 'Users' }, interface: 'internal', region: 'North' });
});

test('every variable that is missing is named at once', () => {
  expect(() => loginFrom({ OS_AUTH_URL: '' })).toThrow(
    'the environment lacks OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME: source the openrc of the cloud first',
  );
});
