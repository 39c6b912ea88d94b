import { createMetrics, silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import type { Command } from '../cli/command.ts';
import { configFor, configOptions } from '../config/options.ts';
import type { KilonovaConfig } from '../config/sections.ts';
import { examine, type Finding } from '../doctor/examination.ts';
import { examineConfiguration } from '../doctor/configuration.ts';
import { examineBroker } from '../doctor/broker.ts';
import { examineDatabase } from '../doctor/database.ts';
import { examineIdentity } from '../doctor/identity.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Check configuration, broker, database and identity service, and say what is wrong.',
  details: 'Ends with code 0 when everything is well, else with 1. Changes nothing.',
  options: configOptions,
  async run(given) {
    const findings = await examinations(configFor(given));
    for (const { what, ok, says } of findings) process.stdout.write(`${ok ? 'ok    ' : 'WRONG '} ${what}: ${says}\n`);
    return findings.every(({ ok }) => ok) ? 0 : 1;
  },
};

function examinations(config: KilonovaConfig): Promise<readonly Finding[]> {
  const around = { clock: systemClock, random: systemRandom, log: silentLogger, metrics: createMetrics('doctor', { ofProcess: false }) };
  return Promise.all([
    examine('configuration', () => examineConfiguration(config)),
    examine('broker', () => examineBroker(config.broker, around)),
    examine('database', () => examineDatabase(config.database)),
    examine('identity', () => examineIdentity(config.auth, around)),
  ]);
}
