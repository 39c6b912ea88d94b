import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runStage } from './stage.ts';
import { root, toolsNode } from './tools-node.mjs';

export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

export interface VitestOptions {
  readonly project: string;
  readonly filters: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Holds the report, from which the numbers are read. */
  readonly dir: string;
}

export interface VitestOutcome extends Tally {
  /** Vitest's own last lines: files, tests, start, duration. */
  readonly closing: string;
}

const TAIL_CHARACTERS = 20_000;

/** Runs one project of vitest.config.ts. A file that does not load, or a run that fails for any other reason than a test, counts as one failure. */
export async function runVitest({ project, filters, env, signal, dir }: VitestOptions): Promise<VitestOutcome> {
  const report = join(dir, `${project}.json`);
  const vitest = [
    toolsNode,
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  let said = '';
  const { code } = await runStage([...vitest, ...(filters.length > 0 ? ['--passWithNoTests'] : []), ...filters], {
    env,
    signal,
    onOutput: (piece) => (said = (said + piece).slice(-TAIL_CHARACTERS)),
  });
  return { ...tallyOf(readReport(report), code), closing: closingOf(said) };
}

function closingOf(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '' && !line.includes('JSON report written'));
  const first = lines.findLastIndex((line) => line.includes('Test Files'));
  return first < 0 ? '' : lines.slice(first).join('\n');
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly { readonly status: string }[] }[];
}

function readReport(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Report;
  } catch {
    return undefined; // it ended before it could write one
  }
}

/** What a run of vitest that ended with `code` counts as. */
export function tallyOf(report: Report | undefined, code: number): Tally {
  if (report === undefined) return { passed: 0, failed: 1 };
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((result) => result.status !== 'failed'),
  );
  const failed = report.numFailedTests + broken.length;
  return { passed: report.numPassedTests, failed: code !== 0 && failed === 0 ? 1 : failed };
}
