import { ConfigError } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { examineConfiguration } from '../doctor/configuration.ts';
import { loadSections } from './sections.ts';

const load = (flags: Readonly<Record<string, unknown>>) => loadSections({ flags });
const problems = (flags: Readonly<Record<string, unknown>>): string => {
  try {
    load(flags);
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
};

test.each([
  { key: 'scheduler.enabled_filters', value: 'memory,Foo', says: 'no filter is called "Foo"; known are availability_zone' },
  { key: 'broker.pin', value: 'foo', says: 'expected a wire version from 1.0 to 1.' },
  { key: 'broker.pin', value: '9.9', says: 'found "9.9"' },
  { key: 'database.url', value: 'mysql://db/kilonova', says: 'expected address (postgres:// or postgresql://)' },
  { key: 'database.url', value: '', says: 'expected address (postgres:// or postgresql://)' },
  { key: 'standalone.database_url', value: 'nonsense', says: 'expected address (postgres:// or postgresql://)' },
  { key: 'auth.url', value: 'foo', says: 'expected address (http:// or https://), found "foo"' },
  { key: 'auth.url', value: '', says: 'expected address (http:// or https://), found ""' },
  { key: 'glance.url', value: 'http://', says: 'expected address (http:// or https://), found "http://"' },
])('$key is refused as $value', ({ key, value, says }) => {
  expect(problems({ [key]: value })).toMatch(new RegExp(`^--set ${key}: `));
  expect(problems({ [key]: value })).toContain(says);
});

test.each([
  { key: 'broker.pin', value: '1.0' },
  { key: 'broker.pin', value: '' },
  { key: 'scheduler.enabled_filters', value: ['memory', 'vcpus'] },
  { key: 'database.url', value: 'postgresql://kilonova:secret@/kilonova?host=/run/postgresql' },
  { key: 'auth.url', value: 'https://[::1]:5000/v3' },
  { key: 'glance.url', value: '' },
])('$key is taken as $value', ({ key, value }) => {
  expect(problems({ [key]: value })).toBe('');
});

test('what a wrong database address holds is not shown', () => {
  expect(problems({ 'database.url': 'nonsense:PASSWORD' })).not.toContain('PASSWORD');
});

test('a lease that is not renewed before it ends is refused, by both keys', () => {
  const problem = problems({ 'conductor.lease_ms': 2_000, 'conductor.lease_renew_ms': 2_000 });
  expect(problem).toContain('conductor.lease_renew_ms: expected less than conductor.lease_ms (2000), found 2000');
});

test('a cost of password hashes that scrypt does not take is refused before anything starts', () => {
  expect(problems({ 'identity.scrypt_cost': 20_000 })).toContain('identity.scrypt_cost: expected a power of two, found 20000');
  expect(problems({ 'identity.scrypt_cost': 32_768 })).toBe('');
});

test('hosts whose signs of life are too rare are found by the doctor, and no reason to refuse a start', async () => {
  await expect(examineConfiguration(load({ 'compute.heartbeat_ms': 20_001 }))).rejects.toThrow(
    'compute.heartbeat_ms: expected at most a third of conductor.service_down_ms (60000), found 20001',
  );
  expect(await examineConfiguration(load({}))).toBe('every key is known and every value fits');
});
