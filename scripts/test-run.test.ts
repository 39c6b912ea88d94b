import { describe, expect, it } from 'vitest';
import { planFrom } from './test-plan.ts';
import { tallyOf } from './vitest-stage.ts';

describe('the plan of a test run', () => {
  it('runs every stage, the checks first, when nothing is asked', () => {
    expect(planFrom([])).toEqual({ stages: ['check', 'packages', 'simulation', 'journeys', 'upgrade', 'crash'], filters: [] });
  });

  it('leaves the checks out when only some files are asked for', () => {
    expect(planFrom(['quota'])).toEqual({ stages: ['packages', 'simulation', 'journeys', 'upgrade', 'crash'], filters: ['quota'] });
  });

  it('runs only the named stages, in their own order', () => {
    expect(planFrom(['--only', 'crash,check']).stages).toEqual(['check', 'crash']);
  });

  it('refuses an unknown stage by name, and an unknown option', () => {
    expect(() => planFrom(['--only', 'jurneys'])).toThrow(
      'expected one or more of check, packages, simulation, journeys, upgrade, crash, found "jurneys"',
    );
    expect(() => planFrom(['--fast'])).toThrow('--fast');
  });
});

describe('the tally of a vitest run', () => {
  const file = (status: string, ...tests: readonly string[]) => ({ status, assertionResults: tests.map((one) => ({ status: one })) });

  it('counts tests', () => {
    const report = { numPassedTests: 2, numFailedTests: 1, testResults: [file('failed', 'passed', 'failed'), file('passed', 'passed')] };
    expect(tallyOf(report, 1)).toEqual({ passed: 2, failed: 1 });
  });

  it('counts a file that does not load as a failure', () => {
    const report = { numPassedTests: 1, numFailedTests: 0, testResults: [file('failed'), file('passed', 'passed')] };
    expect(tallyOf(report, 1)).toEqual({ passed: 1, failed: 1 });
  });

  it('is never without failure when vitest fails', () => {
    expect(tallyOf({ numPassedTests: 3, numFailedTests: 0, testResults: [] }, 1)).toEqual({ passed: 3, failed: 1 }); // an unhandled error
    expect(tallyOf(undefined, 137)).toEqual({ passed: 0, failed: 1 }); // it was killed
  });

  it('counts a run without a report as a failure even when it ends well', () => {
    expect(tallyOf(undefined, 0)).toEqual({ passed: 0, failed: 1 });
  });
});
