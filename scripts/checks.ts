import { join } from 'node:path';
import { runStage } from './stage.ts';
import { root, toolsNode } from './tools-node.mjs';

/** A program of node_modules as its package.json names it; run under the tools' Node, since some refuse an older one. */
const tool = (path: string, ...args: readonly string[]) => [toolsNode, join(root, 'node_modules', path), ...args];

/** Every check of the sources, by the name that `npm run check -- NAME` knows. `types` also builds what later stages run. */
export const CHECKS: Readonly<Record<string, readonly string[]>> = {
  types: tool('typescript/bin/tsc', '-b'),
  'test-types': tool('typescript/bin/tsc', '-p', 'tsconfig.test.json'),
  lint: tool('oxlint/bin/oxlint', '--deny-warnings'),
  format: tool('oxfmt/bin/oxfmt', '--check'),
  unused: tool('knip/bin/knip.js', '--no-progress', '--no-config-hints'),
  package: [toolsNode, join(root, 'packages/rpc/scripts/check-package.ts')],
  released: [toolsNode, join(root, 'scripts', 'check-released.ts')],
  boundaries: [toolsNode, join(root, 'scripts', 'boundaries.mjs')],
};

export interface CheckOutcome {
  readonly name: string;
  readonly ok: boolean;
}

/** Runs the named checks one after the other, whichever fails, with a line and the time for each. */
export async function runChecks(names: readonly string[], signal: AbortSignal): Promise<readonly CheckOutcome[]> {
  const outcomes: CheckOutcome[] = [];
  for (const name of names) {
    const command = CHECKS[name];
    if (command === undefined) throw new Error(`expected one of ${Object.keys(CHECKS).join(', ')}, found ${JSON.stringify(name)}`);
    signal.throwIfAborted();
    const began = performance.now();
    const { code } = await runStage(command, { signal });
    outcomes.push({ name, ok: code === 0 });
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${((performance.now() - began) / 1_000).toFixed(1)} s)`);
  }
  return outcomes;
}
