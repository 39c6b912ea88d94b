import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { flag, integer, list, section, text } from './config.ts';
import { ConfigError, loadConfig } from './load-config.ts';

const conductor = section('conductor', {
  leaseMs: integer(5_000, { min: 500, max: 60_000, help: 'How long a silent conductor keeps its tasks.' }),
  zones: list(['nova'], { help: 'Zones.' }),
  eager: flag(false, { help: 'Whether.' }),
});
const broker = section('broker', {
  user: text('guest', { help: 'User.' }),
  password: text('', { help: 'Password.', secret: true }),
});
const sections = [conductor, broker] as const;

const folder = mkdtempSync(join(tmpdir(), 'kilonova-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
const fileOf = (name: string, content: string) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const problemsOf = (act: () => unknown): readonly string[] => {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

test('without any source every option has its default', () => {
  expect(loadConfig(sections, {})).toEqual({
    conductor: { leaseMs: 5_000, zones: ['nova'], eager: false },
    broker: { user: 'guest', password: '' },
  });
});

test('the environment wins over the file, and a flag over both', () => {
  const file = fileOf('order.yaml', 'conductor:\n  lease_ms: 1000\n  zones: [a, b]\n  eager: true\nbroker:\n  user: from-file\n');
  const loaded = loadConfig(sections, {
    file,
    env: { KILONOVA_CONDUCTOR_LEASE_MS: '2000', KILONOVA_BROKER_USER: 'from-env', PATH: '/bin' },
    flags: { 'broker.user': 'from-flag' },
  });
  expect(loaded.conductor).toEqual({ leaseMs: 2_000, zones: ['a', 'b'], eager: true });
  expect(loaded.broker.user).toBe('from-flag');
});

test('an empty file and an empty section change nothing', () => {
  expect(loadConfig(sections, { file: fileOf('empty.yaml', '') }).conductor.leaseMs).toBe(5_000);
  expect(loadConfig(sections, { file: fileOf('empty-section.yaml', 'conductor:\nbroker: {}\n') }).broker.user).toBe('guest');
});

test('everything unknown or wrong in a file is named at once, with line and nearest name', () => {
  const file = fileOf('wrong.yaml', 'conducter:\n  lease_ms: 1\nconductor:\n  lease_mss: 700\n  lease_ms: soon\nbroker: guest\n');
  expect(problemsOf(() => loadConfig(sections, { file }))).toEqual([
    `${file}:1: conducter: unknown section (did you mean "conductor"?)`,
    `${file}:4: conductor.lease_mss: unknown key (did you mean "lease_ms"?)`,
    `${file}:5: conductor.lease_ms: expected integer from 500 to 60000, found "soon"`,
    `${file}:6: broker: expected a mapping of keys to values`,
  ]);
});

test.each([
  { title: 'a list instead of sections', content: '- a\n', expected: /:1: expected a mapping of sections/ },
  { title: 'a key given twice', content: 'broker:\n  user: a\n  user: b\n', expected: /:3: Map keys must be unique/ },
  { title: 'broken YAML', content: 'broker: {user: a\n', expected: /:\d+: / },
])('$title is refused with its line', ({ content, expected }) => {
  const problems = problemsOf(() => loadConfig(sections, { file: fileOf('broken.yaml', content) }));
  expect(problems.join('\n')).toMatch(expected);
});

describe('the environment', () => {
  test('an unknown KILONOVA_ name is refused with the nearest one', () => {
    expect(problemsOf(() => loadConfig(sections, { env: { KILONOVA_CONDUCTOR_LEASEMS: '1000' } }))).toEqual([
      'environment: KILONOVA_CONDUCTOR_LEASEMS: unknown name (did you mean "KILONOVA_CONDUCTOR_LEASE_MS"?)',
    ]);
  });

  test('reserved names and prefixes are left alone', () => {
    const env = { KILONOVA_TEST_AMQP_URL: 'amqp://x', KILONOVA_CONFIG: 'file' };
    expect(problemsOf(() => loadConfig(sections, { env, reservedEnv: ['KILONOVA_TEST_', 'KILONOVA_CONFIG'] }))).toEqual([]);
  });

  test('a list is comma-separated', () => {
    expect(loadConfig(sections, { env: { KILONOVA_CONDUCTOR_ZONES: 'a, b' } }).conductor.zones).toEqual(['a', 'b']);
  });
});

describe('a secret', () => {
  test('may come from a file named in the environment or in YAML', () => {
    const secret = fileOf('secret', 's3cret\n');
    expect(loadConfig(sections, { env: { KILONOVA_BROKER_PASSWORD_FILE: secret } }).broker.password).toBe('s3cret');
    expect(loadConfig(sections, { file: fileOf('s.yaml', `broker:\n  password_file: ${secret}\n`) }).broker.password).toBe('s3cret');
  });

  test('is never shown in an error', () => {
    const file = fileOf('secret.yaml', 'broker:\n  password: 12345678\n');
    expect(problemsOf(() => loadConfig(sections, { file }))).toEqual([`${file}:2: broker.password: expected text`]);
  });

  test('whose file is missing is an error that names the file', () => {
    const env = { KILONOVA_BROKER_PASSWORD_FILE: join(folder, 'absent') };
    expect(problemsOf(() => loadConfig(sections, { env })).join()).toContain(
      `KILONOVA_BROKER_PASSWORD_FILE: cannot read ${join(folder, 'absent')}`,
    );
  });

  test('is the only kind of option that may come from a file', () => {
    expect(problemsOf(() => loadConfig(sections, { env: { KILONOVA_BROKER_USER_FILE: '/dev/null' } }))).toHaveLength(1);
  });
});

test('an unknown flag is refused with the nearest one', () => {
  expect(problemsOf(() => loadConfig(sections, { flags: { 'broker.usr': 'x' } }))).toEqual([
    '--set broker.usr: unknown key (did you mean "broker.user"?)',
  ]);
});

test('a config file that cannot be read is an error that names it', () => {
  const file = join(folder, 'none.yaml');
  expect(problemsOf(() => loadConfig(sections, { file })).join()).toContain(`cannot read the config file ${file}: ENOENT`);
});
