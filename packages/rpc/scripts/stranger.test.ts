// The package as others get it: packed, installed into an empty folder, compiled and run.
import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guideSnippets } from './code-blocks.ts';
import { compilers, Stranger } from './stranger.ts';

let stranger: Stranger;
beforeAll(async () => {
  stranger = await Stranger.arrives();
}, 240_000);
afterAll(() => stranger?.leaves());

/** What the contract of the example needs of a compiler, with the decorators of either kind. */
const KINDS = {
  experimental: { experimentalDecorators: true, emitDecoratorMetadata: true },
  standard: {},
} as const;

const OPTIONS = {
  target: 'es2022',
  lib: ['es2022'],
  module: 'nodenext',
  strict: true,
  skipLibCheck: false,
  types: ['node'],
  rootDir: 'src',
  outDir: 'dist',
};

function project(name: string, options: object): string {
  cpSync(stranger.path('node_modules/@kilonova/rpc/examples/stock'), stranger.path(name), { recursive: true });
  stranger.write(`${name}/tsconfig.json`, JSON.stringify({ compilerOptions: { ...OPTIONS, ...options }, include: ['src'] }));
  return name;
}

function brokerUrl(): string {
  const url = process.env['KILONOVA_TEST_AMQP_URL'];
  if (url === undefined) throw new Error('KILONOVA_TEST_AMQP_URL: expected the address of a broker (npm run services)');
  return url;
}

const children: ChildProcess[] = [];
afterAll(() => children.forEach((child) => child.kill('SIGKILL')));

function start(...args: string[]) {
  const child = spawn(process.env['KILONOVA_TEST_NODE'] ?? process.execPath, args, {
    cwd: stranger.folder,
    env: { ...process.env, AMQP_URL: brokerUrl() },
  });
  children.push(child);
  let output = '';
  const lines: ((text: string) => void)[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => {
      output += piece.toString();
      for (const look of lines) look(output);
    });
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => child.on('close', (code) => resolve({ code, output })));
  /** Settles when the text was said; the end of the process says too that it will not be. */
  const says = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = (said: string) => said.includes(text) && resolve();
      lines.push(look);
      look(output);
      void ended.then(() => reject(new Error(`ended without saying ${text}: ${output}`)));
    });
  return { child, ended, says };
}

test('it depends on what it promises, and brings its licence, its guide and its examples', async () => {
  const { default: manifest } = (await import('../package.json', { with: { type: 'json' } })) as {
    default: { dependencies: Record<string, string> };
  };
  const promised = ['@opentelemetry/api', 'amqplib', 'class-transformer', 'reflect-metadata', 'semver'];
  expect(Object.keys(manifest.dependencies).toSorted()).toEqual(promised);
  expect(stranger.packed.files).toEqual(
    expect.arrayContaining(['LICENSE', 'README.md', 'docs/testing.md', 'examples/stock/src/contract.ts', 'dist/index.d.ts']),
  );
});

test('every link of the guides leads to something in the package', () => {
  const files = stranger.packed.files;
  const there = (path: string) => files.some((file) => file === path || file.startsWith(`${path}/`));
  const guides = files.filter((file) => /^(README|docs\/[^/]+|examples\/.*README)(\.md)?$/.test(file));
  const broken = guides.flatMap((guide) =>
    [...readFileSync(stranger.path('node_modules/@kilonova/rpc', guide), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map(([, link = '']) => posix.join(posix.dirname(guide), link))
      .filter((path) => !there(path) && !path.startsWith('docs/api/'))
      .map((path) => `${guide}: ${path}`),
  );
  expect(broken).toEqual([]);
  expect(guides.length).toBeGreaterThan(5);
});

test('CommonJS gets it too', async () => {
  const { output } = await stranger.node('-p', "typeof require('@kilonova/rpc').connectAmqp");
  expect(output).toContain('function');
});

test('its command says how it is used', async () => {
  const { code, output } = await stranger.node('node_modules/@kilonova/rpc/bin/kilonova-rpc.js', 'help-me');
  expect(code).not.toBe(0);
  expect(output).toContain('kilonova-rpc dead-letters list');
  const { version } = JSON.parse(readFileSync(stranger.path('node_modules/@kilonova/rpc/package.json'), 'utf8')) as { version: string };
  const said = await stranger.node('node_modules/@kilonova/rpc/bin/kilonova-rpc.js', '--version');
  expect(said).toEqual({ code: 0, output: `${version}\n` });
});

test('the code of the guides compiles, and the five minutes of the README run', { timeout: 240_000 }, async () => {
  const snippets = guideSnippets();
  for (const { path, code } of snippets) stranger.write(`guides/src/${path}`, code);
  stranger.write('guides/package.json', '{ "type": "module" }');
  stranger.write('guides/tsconfig.json', JSON.stringify({ compilerOptions: { ...OPTIONS, ...KINDS.experimental }, include: ['src'] }));
  expect(await stranger.node(compilers[7], '-p', 'guides')).toEqual({ code: 0, output: '' });
  expect(snippets.length).toBeGreaterThan(10);
  const greeter = start('guides/dist/README-2/greeter.js');
  const visit = async () => (await start('guides/dist/README-2/visitor.js').ended).output;
  await expect.poll(visit, { timeout: 60_000 }).toBe(`hello, ${decodeURIComponent(new URL(brokerUrl()).username)}\nnothing_said\n`);
  await greeter.says('hello, ');
  greeter.child.kill('SIGTERM');
  expect((await greeter.ended).code).toBe(0);
  expect(await visit()).toBe('Unreachable\n');
});

test.each([
  { kind: 'experimental', compiler: 7 },
  { kind: 'standard', compiler: 7 },
  { kind: 'experimental', compiler: 6 },
  { kind: 'standard', compiler: 5 },
] as const)(
  'the tsconfig.json of the README is all that TypeScript $compiler needs for $kind decorators',
  { timeout: 240_000 },
  async ({ kind, compiler }) => {
    const readme = readFileSync(stranger.path('node_modules/@kilonova/rpc/README.md'), 'utf8');
    const [, tsconfig = ''] = /^```json\n([^]*?)^```$/m.exec(readme) ?? [];
    const withoutLastTwo = tsconfig.replace(/,\s*"experimentalDecorators": true,\s*"emitDecoratorMetadata": true/, '');
    expect(withoutLastTwo).not.toBe(tsconfig);
    const name = `readme-${kind}-${compiler}`;
    stranger.write(`${name}/package.json`, '{ "type": "module" }');
    stranger.write(`${name}/tsconfig.json`, kind === 'experimental' ? tsconfig : withoutLastTwo);
    for (const { path, code } of guideSnippets().filter(({ path: file }) => file.startsWith('README-2/')))
      stranger.write(`${name}/src/${posix.basename(path)}`, code);
    expect(await stranger.node(compilers[compiler], '-p', name)).toEqual({ code: 0, output: '' });
    expect(readdirSync(stranger.path(name, 'dist')).toSorted()).toEqual(['contract.js', 'greeter.js', 'visitor.js']);
  },
);

describe('the two-service example', { timeout: 240_000 }, () => {
  test.each([
    { kind: 'experimental', compiler: 7 },
    { kind: 'standard', compiler: 7 },
  ] as const)('runs when compiled by TypeScript $compiler with $kind decorators', async ({ kind, compiler }) => {
    const name = project(`run-${kind}`, KINDS[kind]);
    expect(await stranger.node(compilers[compiler], '-p', name)).toEqual({ code: 0, output: '' });
    const tests = await stranger.node('--test', `${name}/dist/stock.test.js`);
    expect(tests.output).toMatch(/^# fail 0$|^ℹ fail 0$/m);
    expect(tests.code).toBe(0);
    const stock = start(`${name}/dist/stock.js`);
    await stock.says('stock is open');
    const orders = await start(`${name}/dist/orders.js`, '4').ended;
    expect(orders.output.trim().split('\n')).toEqual([
      'order 1: reserved, 3 left',
      'order 2: reserved, 1 left',
      'order 3: no 2 of apple left; on the shelf are',
      '  1 of apple',
      '  100 of pear',
      'order 4: reserved, 3 left',
    ]);
    expect(orders.code).toBe(0);
    stock.child.kill('SIGTERM');
    const closed = await stock.ended;
    expect(closed.code).toBe(0);
    expect(closed.output).toContain('took 2 of apple (order 1)');
    const late = await start(`${name}/dist/orders.js`, '1').ended;
    expect(late.output.trim()).toBe('order 1: Unreachable: stock.reserve: nobody listens to stock.any');
  });

  test.each([
    { kind: 'experimental', compiler: 6 },
    { kind: 'standard', compiler: 5 },
  ] as const)('compiles with TypeScript $compiler and $kind decorators', async ({ kind, compiler }) => {
    const name = project(`types-${kind}-${compiler}`, KINDS[kind]);
    expect(await stranger.node(compilers[compiler], '-p', name)).toEqual({ code: 0, output: '' });
  });
});
