// The whole test run, from nothing: finds or starts RabbitMQ and PostgreSQL, installs the stock clients, runs the stages
// of test-plan.ts one after the other and puts everything away. The last line is `N passed, N failed`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServices, type Services } from '../tests/support/services/services.ts';
import { ensureStockClients } from '../tests/support/services/stock-clients.ts';
import { CHECKS, runChecks } from './checks.ts';
import { Interrupted, untilSignal } from './stage.ts';
import { planFrom, type Stage, type TestPlan } from './test-plan.ts';
import { runVitest, type Tally } from './vitest-stage.ts';

const BROKER_LOG_CHARACTERS = 20_000;
const say = (line: string) => console.log(line);
const signal = untilSignal();

let plan: TestPlan;
try {
  plan = planFrom(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
}

const reports = mkdtempSync(join(tmpdir(), 'kilonova-reports-'));
let passed = 0;
let failed = 0;
let testsFailed = false;
const closings: string[] = [];
let services: Services | undefined;
try {
  const clients = plan.stages.includes('journeys') ? await ensureStockClients('journeys', say) : 'present';
  if (plan.stages.includes('packages')) await ensureStockClients('packages', say); // when absent, the tests that need them fail
  if (plan.stages.some((stage) => stage !== 'check')) services = await startServices({ say, signal });
  for (const stage of plan.stages) {
    signal.throwIfAborted();
    say(`\n== ${stage}`);
    const began = performance.now();
    const tally = stage === 'journeys' && clients === 'absent' ? journeysNotRun() : await run(stage, services);
    passed += tally.passed;
    failed += tally.failed;
    say(`== ${stage}: ${tally.failed === 0 ? 'ok' : `${tally.failed} failed`} (${((performance.now() - began) / 1_000).toFixed(1)} s)`);
  }
  if (plan.filters.length > 0 && passed + failed === 0) throw new Error(`no test file's name contains ${plan.filters.join(' or ')}`);
} catch (error) {
  failed += 1;
  console.error(error instanceof Error ? error.message : error);
} finally {
  if (testsFailed && services !== undefined) await tellBrokerLog(services);
  await services?.stop();
  rmSync(reports, { recursive: true, force: true });
}
for (const closing of closings) say(closing);
say(`${passed} passed, ${failed} failed`);
process.exitCode = signal.reason instanceof Interrupted ? signal.reason.exitCode : failed > 0 ? 1 : 0;

async function run(stage: Stage, running: Services | undefined): Promise<Tally> {
  if (stage === 'check') {
    const outcomes = await runChecks(Object.keys(CHECKS), signal);
    return { passed: 0, failed: outcomes.filter(({ ok }) => !ok).length };
  }
  const outcome = await runVitest({ project: stage, filters: plan.filters, env: running?.env ?? {}, signal, dir: reports });
  testsFailed ||= outcome.failed > 0;
  if (outcome.closing !== '') closings.push(`\n== ${stage}\n${outcome.closing}`);
  return outcome;
}

function journeysNotRun(): Tally {
  say('!! THE JOURNEYS ARE NOT RUN: KILONOVA_TEST_CLIENTS=absent says that the stock clients cannot be had. This counts as a failure.');
  return { passed: 0, failed: 1 };
}

async function tellBrokerLog({ broker }: Services): Promise<void> {
  const log = String(await broker.log()).trim();
  if (log !== '') say(`\n-- the broker's log, its end\n${log.slice(-BROKER_LOG_CHARACTERS)}\n--`);
}
