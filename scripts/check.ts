import { CHECKS, runChecks } from './checks.ts';
import { Interrupted, untilSignal } from './stage.ts';

const names = process.argv.slice(2);
try {
  const outcomes = await runChecks(names.length === 0 ? Object.keys(CHECKS) : names, untilSignal());
  process.exitCode = outcomes.every(({ ok }) => ok) ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof Interrupted ? error.exitCode : 2;
}
