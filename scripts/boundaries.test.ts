import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const script = join(import.meta.dirname, 'boundaries.mjs');
const PACKAGES = ['rpc', 'objects', 'runtime', 'api', 'scheduler', 'conductor', 'compute', 'standalone', 'bench', 'kilonova'];

describe('the package boundaries', () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kilonova-boundaries-'));
    for (const name of PACKAGES) mkdirSync(join(root, 'packages', name, 'src'), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function check(path: string, text: string): { code: number | null; said: string } {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
    return { code: status, said: stderr };
  }

  it.each([
    [
      'a service imports another service',
      'packages/api/src/a.ts',
      `import { x } from '@kilonova/conductor';`,
      'may import only rpc, objects, runtime',
    ],
    ['rpc imports a package', 'packages/rpc/src/a.ts', `export * from '@kilonova/objects';`, 'no other package'],
    ['standalone imports rpc', 'packages/standalone/src/a.ts', `await import('@kilonova/rpc');`, 'may import only runtime'],
    ['a service reaches a database', 'packages/api/src/a.ts', `import knex from 'knex';`, 'reach a database'],
    [
      'the conductor reaches it outside its db',
      'packages/conductor/src/tasks/a.ts',
      `import type { Knex } from 'knex';`,
      'reach a database',
    ],
    ['the options of another package', 'packages/api/src/a.ts', `import '@kilonova/runtime/config';`, 'only what the index'],
    ['a deep import', 'packages/api/src/a.ts', `import '@kilonova/rpc/dist/wire.js';`, 'only what the index'],
    ['a relative way into another package', 'packages/api/src/a.ts', `import { x } from '../../rpc/src/x.ts';`, 'leaves its package'],
    ['code imports tests', 'packages/api/src/a.ts', `import { x } from '../../../tests/support/broker.ts';`, 'only tests import tests'],
    ['a clock of its own', 'packages/compute/src/a.ts', 'const a = Date.now();', 'Date.now()'],
    ['a date of its own', 'packages/compute/src/a.ts', 'const a = new Date();', 'new Date()'],
    ['randomness of its own', 'packages/scheduler/src/a.ts', 'const a = Math.random();', 'Math.random()'],
    ['identifiers of its own', 'packages/objects/src/a.ts', 'const a = crypto.randomUUID();', 'randomness of its own'],
    ['a timer of its own', 'packages/conductor/src/a.ts', 'setTimeout(act, 5);', 'a timer of its own'],
    ['a timer by import', 'packages/conductor/src/a.ts', `import { setTimeout as pause } from 'node:timers/promises';`, 'use the Clock'],
  ])('refuse %s, and say where', (_what, path, text, expected) => {
    const { code, said } = check(path, `// first line\n${text}\n`);
    expect(code).toBe(1);
    expect(said).toContain(`${path}:2: `);
    expect(said).toContain(expected);
  });

  it.each([
    ['what is offered by name', 'packages/api/src/a.ts', `import { x } from '@kilonova/rpc';\nimport { y } from './b/c.ts';`],
    ['the database in its one place', 'packages/conductor/src/db/a.ts', `import knex from 'knex';`],
    [
      'a test that uses the test support',
      'packages/conductor/src/a.test.ts',
      `import { freshDatabase } from '../../../tests/support/database.ts';`,
    ],
    ['a date that is given', 'packages/api/src/a.ts', 'const a = new Date(clock.now());'],
    ['words in comments and strings', 'packages/api/src/a.ts', `// no Date.now() here, it's forbidden\nconst a = 'Math.random()';`],
    ['the clock that was handed in', 'packages/api/src/a.ts', 'clock.setTimeout(5);'],
  ])('allow %s', (_what, path, text) => {
    expect(check(path, text)).toEqual({ code: 0, said: '' });
  });

  it('read every folder of the real packages', () => {
    cpSync(join(import.meta.dirname, '..', 'packages', 'runtime', 'src'), join(root, 'packages', 'runtime', 'src'), { recursive: true });
    expect(check('packages/runtime/src/deep/er/a.mjs', `import '@kilonova/api';`).code).toBe(1);
  });
});
