import { hostname } from 'node:os';
import { createMetrics, silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import { UsageError, type Command } from '../cli/command.ts';
import { hostName } from '../config/hosts.ts';
import { configFor, configOptions } from '../config/options.ts';
import { examinations, roles } from '../doctor/examinations.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Check configuration, broker, database and identity service, and say what is wrong.',
  details: `With --role only what that service needs: on a compute host the configuration and the broker, with the account of the host.
Ends with code 0 when everything is well, else with 1. Changes nothing.`,
  options: {
    role: { value: 'ROLE', help: `Whose machine this is: ${roles.join(', ')}; default: all that the services need.` },
    host: { value: 'NAME', help: "Of --role compute: the host's name (default: this machine's)." },
    ...configOptions,
  },
  async run(given) {
    const named = given.text('role');
    const role = roles.find((one) => one === named);
    if (named !== undefined && role === undefined)
      throw new UsageError(`--role: expected one of ${roles.join(', ')}, found ${JSON.stringify(named)}`);
    const host = given.text('host');
    if (host !== undefined && role !== 'compute') throw new UsageError('--host: expected together with --role compute');
    const around = { clock: systemClock, random: systemRandom, log: silentLogger, metrics: createMetrics('doctor', { ofProcess: false }) };
    const findings = await examinations(configFor(given), { role, host: role === 'compute' ? hostName(host ?? hostname()) : '' }, around);
    for (const { what, ok, says } of findings) process.stdout.write(`${ok ? 'ok    ' : 'WRONG '} ${what}: ${says}\n`);
    return findings.every(({ ok }) => ok) ? 0 : 1;
  },
};
