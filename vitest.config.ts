import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Tests run on the sources: a package name resolves to its src, never to a stale build. */
const source = (name: string, entry = 'index') => fileURLToPath(new URL(`./packages/${name}/src/${entry}.ts`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@kilonova\/(rpc|objects|runtime|api|scheduler|conductor|compute|standalone|bench)$/, replacement: source('$1') },
      { find: /^@kilonova\/(api|scheduler|conductor|compute|standalone)\/config$/, replacement: source('$1', 'config') },
      { find: /^kilonova$/, replacement: source('kilonova') },
    ],
  },
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      // Unit and integration tests stand beside what they test.
      {
        extends: true,
        test: {
          name: 'packages',
          include: ['packages/*/{src,scripts}/**/*.test.ts', 'scripts/**/*.test.ts', 'tests/{support,conformance}/**/*.test.ts'],
        },
      },
      // A whole control plane in one process and under one seed: what it finds repeats.
      {
        extends: true,
        test: { name: 'simulation', include: ['tests/simulation/**/*.test.ts'], fileParallelism: false, testTimeout: 3_600_000 },
      },
      // Whole clouds of processes: one file at a time has the two cores for itself.
      {
        extends: true,
        test: {
          name: 'journeys',
          include: ['tests/{journeys,attack}/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      // Services of the last release and of this one, mixed.
      {
        extends: true,
        test: {
          name: 'upgrade',
          include: ['tests/upgrade/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 3_600_000,
          hookTimeout: 300_000,
        },
      },
      // These kill the shared broker.
      {
        extends: true,
        test: { name: 'crash', include: ['tests/crash/**/*.test.ts'], fileParallelism: false, testTimeout: 900_000, hookTimeout: 180_000 },
      },
    ],
  },
});
