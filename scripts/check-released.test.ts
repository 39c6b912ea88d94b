import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const script = join(import.meta.dirname, 'check-released.ts');
const SAMPLE = 'packages/objects/samples/1.0/Order.json';
const MIGRATION = 'packages/conductor/src/db/migrations/0001-first.ts';
const LIST = 'packages/conductor/src/db/migrations/index.ts';
const ORDER = 'packages/objects/src/objects/order.ts';
const CALL = 'packages/objects/src/contracts/orders.ts';
const order = (fields: string) => `@Exclude()\nexport class Order {\n${fields}\n}\n`;

describe('what was released', () => {
  let root = '';
  let copy = '';
  const git = (...args: readonly string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const check = (folder = root) => {
    const { status, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' });
    return { code: status, said: stderr };
  };

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'kilonova-released-'));
    copy = mkdtempSync(join(tmpdir(), 'kilonova-shallow-'));
    write(SAMPLE, '{}\n');
    write(MIGRATION, 'export const up = 1;\n');
    write(LIST, 'export const migrations = [1];\n');
    write(ORDER, order('  @Expose() host!: string;\n  /** May be none. */\n  @Expose() note: string | null = null;'));
    write(CALL, '');
    git('init', '-q');
    git('add', '.');
    git('commit', '-qm', 'release');
    const commit = git('rev-parse', 'HEAD').trim();
    write('releases.json', JSON.stringify([{ version: '1.0.0', commit, wire: '1.0', migrations: [] }]));
    git('add', '.');
    git('commit', '-qm', 'name it');
  });
  beforeEach(() => void git('reset', '--hard', '-q'));
  afterAll(() => {
    for (const folder of [root, copy]) rmSync(folder, { recursive: true, force: true });
  });

  it('is left alone by new files, a longer list of migrations and a field beside the others', () => {
    write('packages/objects/samples/1.1/Order.json', '{}\n');
    write('packages/conductor/src/db/migrations/0002-second.ts', '');
    write(LIST, 'export const migrations = [1, 2];\n');
    write(
      ORDER,
      `${order('  @Expose() host!: string;\n  @Expose() note: string | null = null;\n  @Expose({ since: 1 }) zone = "";')}// new`,
    );
    expect(check()).toEqual({ code: 0, said: '' });
  });

  it.each([
    ['a sample that changed', () => write(SAMPLE, '{"host":""}\n'), `${SAMPLE}: is part of release 1.0.0`],
    ['a sample that is gone', () => rmSync(join(root, SAMPLE)), `${SAMPLE}: is part of release 1.0.0`],
    ['a migration that changed', () => write(MIGRATION, 'export const up = 2;\n'), `${MIGRATION}: is part of release 1.0.0`],
    [
      'a field with another type',
      () => write(ORDER, readFileSync(join(root, ORDER), 'utf8').replace('string | null', 'number | null')),
      'Order.note: was released as string | null = null, and is number | null = null',
    ],
    [
      'a field with another default',
      () => write(ORDER, readFileSync(join(root, ORDER), 'utf8').replace('string | null = null', "string | null = ''")),
      "Order.note: was released as string | null = null, and is string | null = ''",
    ],
    [
      'a field with another name',
      () => write(ORDER, order('  @Expose() hostName!: string;\n  @Expose() note: string | null = null;')),
      'Order.host: was released, and is gone',
    ],
  ])('is defended against %s', (_what, change, said) => {
    change();
    const found = check();
    expect(found.code).toBe(1);
    expect(found.said).toContain(said);
  });

  it('cannot be told in a clone without history, which says what to do', () => {
    execFileSync('git', ['clone', '-q', '--depth', '1', `file://${root}`, join(copy, 'clone')]);
    const { code, said } = check(join(copy, 'clone'));
    expect(code).toBe(2);
    expect(said).toContain('git fetch --unshallow');
  });
});
