import { defaultsOf } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { brokerSection, brokerUrls } from './broker.ts';

const separate = defaultsOf(brokerSection, {
  urls: ['amqp://rabbit-1:5672/cloud', 'amqp://guest:guest@rabbit-2:5672/cloud'],
  accounts: 'separate',
  conductorPassword: 'p/w',
  hostPasswords: { 'host-1': 'secret' },
});

test('a shared account is the one in the address', () => {
  expect(brokerUrls(defaultsOf(brokerSection, { urls: ['amqp://u:p@rabbit/'] }), { host: 'host-1' })).toEqual(['amqp://u:p@rabbit/']);
});

test('separate accounts are named after the service, or after the host', () => {
  expect(brokerUrls(separate, { role: 'conductor' })).toEqual([
    'amqp://conductor:p%2Fw@rabbit-1:5672/cloud',
    'amqp://conductor:p%2Fw@rabbit-2:5672/cloud',
  ]);
  expect(brokerUrls(separate, { host: 'host-1' })[0]).toBe('amqp://compute.host-1:secret@rabbit-1:5672/cloud');
});

test('a missing password is an error that names the option', () => {
  expect(() => brokerUrls(separate, { role: 'api' })).toThrow('broker.api_password is missing');
  expect(() => brokerUrls(separate, { host: 'host-2' })).toThrow('broker.host_passwords of host-2 is missing');
});
