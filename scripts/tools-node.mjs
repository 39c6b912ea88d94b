import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** The Node of the dev dependencies: the tools (Vitest 5, testcontainers 12, TypeScript files run as they are) refuse the oldest Node that Kilonova itself runs on. */
export const toolsNode = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));

/**
 * Runs `script` of this repository under the tools' Node with this process's arguments, and ends as it ended. A signal is
 * passed on once: what it runs has things to put away.
 */
export function runUnderToolsNode(script) {
  if (!existsSync(toolsNode)) {
    console.error(`${toolsNode} is missing: run \`npm ci\` without --ignore-scripts and without --omit=dev`);
    process.exit(1);
  }
  // Its own process group: Ctrl-C in a terminal reaches it through us, once, and not a second time beside us.
  const env = { ...process.env, KILONOVA_TEST_NODE: process.execPath }; // the product runs under the Node of whoever typed the command
  const child = spawn(toolsNode, [fileURLToPath(new URL(script, import.meta.url)), ...process.argv.slice(2)], {
    env,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'], // the channel tells it when we are killed
    detached: true,
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`cannot run ${toolsNode}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]));
}
