#!/usr/bin/env node
// boundaries.mjs [ROOT]   who may import whom, and what no service may call. Prints each violation as FILE:LINE and
// what was expected instead; ends with 1 when there is one.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commentsBlanked, stringsBlanked } from './source-text.mjs';

const root = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));

/** The packages of this repository that each package may import. Services meet in objects and rpc, never directly. */
const ALLOWED = {
  rpc: [],
  runtime: [],
  objects: ['rpc'],
  api: ['rpc', 'objects', 'runtime'],
  scheduler: ['rpc', 'objects', 'runtime'],
  conductor: ['rpc', 'objects', 'runtime'],
  compute: ['rpc', 'objects', 'runtime'],
  standalone: ['runtime'],
  bench: ['rpc', 'objects', 'runtime', 'scheduler', 'compute'],
  kilonova: ['rpc', 'objects', 'runtime', 'api', 'scheduler', 'conductor', 'compute', 'standalone', 'bench'],
};

const DATABASE_LIBRARIES = /^(knex|pg|pg-.*|postgres)(\/|$)/;
const MAY_REACH_DATABASE = /^packages\/(conductor\/src\/(db\/|main\.ts$)|standalone\/)/;

/** Handed in (design rule 5), so that the whole control plane can run under a seed. */
const HANDED_IN = ['api', 'scheduler', 'conductor', 'compute', 'objects'];
const FORBIDDEN_CALLS = [
  [/\bDate\.now\s*\(/g, 'Date.now(): ask the Clock that was handed in'],
  [/\bnew\s+Date\s*(\(\s*\)|(?![\w\s]*\())/g, 'new Date() without an argument: ask the Clock that was handed in'],
  [/\bMath\.random\s*\(/g, 'Math.random(): ask the Random that was handed in'],
  [/\b(randomUUID|randomBytes|randomInt|getRandomValues)\s*\(/g, 'randomness of its own: ask the Random that was handed in'],
  [/(?<![\w$.])(globalThis\.)?(setTimeout|setInterval)\s*\(/g, 'a timer of its own: use the Clock that was handed in'],
  [/\b(performance\.now|process\.hrtime(\.bigint)?)\s*\(/g, 'a clock of its own: ask the Clock that was handed in'],
];
const FORBIDDEN_MODULES = /^(node:)?timers(\/promises)?$/;

const violations = [];
for (const [name, allowed] of Object.entries(ALLOWED))
  for (const file of sourcesBelow(join(root, 'packages', name))) {
    const path = relative(root, file).split(sep).join('/');
    const text = commentsBlanked(readFileSync(file, 'utf8'));
    const complain = (index, what) => violations.push(`${path}:${lineOf(text, index)}: ${what}`);
    const isTest = path.endsWith('.test.ts');
    for (const { specifier, index } of importsOf(text))
      checkImport({ name, allowed, file, path, isTest, specifier, complain: (what) => complain(index, what) });
    if (HANDED_IN.includes(name) && path.startsWith(`packages/${name}/src/`) && !isTest) {
      const code = stringsBlanked(text);
      for (const [pattern, what] of FORBIDDEN_CALLS) for (const { index } of code.matchAll(pattern)) complain(index, what);
    }
  }

if (violations.length > 0) {
  console.error(violations.join('\n'));
  console.error(`${violations.length} package boundaries crossed`);
  process.exit(1);
}

function checkImport({ name, allowed, file, path, isTest, specifier, complain }) {
  if (specifier.startsWith('.')) return checkRelative({ name, file, isTest, specifier, complain });
  const ours = /^(?:@kilonova\/([^/]+)|(kilonova))(\/.*)?$/.exec(specifier);
  if (ours !== null) {
    const target = ours[1] ?? ours[2];
    if (target === 'tests') return isTest ? undefined : complain(`imports ${specifier}: only tests import tests`);
    // The options of a service are apart, so that the executable can read them without loading the service.
    if (ours[3] !== undefined && !(name === 'kilonova' && ours[3] === '/config'))
      return complain(`imports ${specifier}: only what the index of ${target} names is offered, import it from there`);
    if (target !== name && !allowed.includes(target))
      complain(
        `imports ${specifier}: ${name} may import ${allowed.length === 0 ? 'no other package' : `only ${allowed.join(', ')}`} of this repository`,
      );
    return;
  }
  if (DATABASE_LIBRARIES.test(specifier) && !MAY_REACH_DATABASE.test(path) && !isTest)
    complain(`imports ${specifier}: only packages/conductor/src/db, its main.ts and packages/standalone reach a database`);
  if (FORBIDDEN_MODULES.test(specifier) && HANDED_IN.includes(name) && !isTest)
    complain(`imports ${specifier}: use the Clock that was handed in`);
}

function checkRelative({ name, file, isTest, specifier, complain }) {
  const target = relative(root, resolve(dirname(file), specifier))
    .split(sep)
    .join('/');
  if (target.startsWith(`packages/${name}/`)) return;
  if (isTest && target.startsWith('tests/support/')) return;
  complain(
    `imports ${specifier}: ${target.startsWith('tests/') ? 'only tests import tests' : 'leaves its package, import the other one by its name'}`,
  );
}

/** Static, dynamic and bare imports, re-exports and require. */
function importsOf(text) {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)(['"`])([^'"`\n]+)\1/g;
  return [...text.matchAll(pattern)].map((match) => ({ specifier: match[2], index: match.index }));
}

function sourcesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'dist' || entry.name === 'node_modules' ? [] : sourcesBelow(path);
    return /\.(ts|mts|js|mjs)$/.test(entry.name) ? [path] : [];
  });
}

function lineOf(text, index) {
  return text.slice(0, index).split('\n').length;
}
