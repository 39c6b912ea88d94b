import { readFileSync } from 'node:fs';
import { UsageError, type Command } from '../cli/command.ts';
import { accountOptions, neededDefinitions } from '../config/broker-accounts.ts';
import { configFor, configOptions } from '../config/options.ts';
import { accountTroubles, type Definitions } from '../doctor/accounts.ts';

const STANDARD_INPUT = 0;

export const doctorRabbitmq: Command = {
  name: 'doctor rabbitmq',
  summary: "Compare a broker's accounts and rights with what the configuration needs.",
  details: `Reads what the broker says of itself, and changes nothing. What is wrong is put right by "broker definitions":
  rabbitmqctl export_definitions found.json && kilonova doctor rabbitmq --config kilonova.yaml --found found.json
Ends with code 0 when every account of the configuration has its rights and no more, else with 1.`,
  options: {
    found: { value: 'FILE', help: 'What "rabbitmqctl export_definitions FILE" wrote; "-" reads standard input.' },
    ...accountOptions,
    ...configOptions,
  },
  async run(given) {
    const file = given.text('found');
    if (file === undefined) throw new UsageError('--found FILE is needed: what "rabbitmqctl export_definitions FILE" wrote');
    const { broker } = configFor(given);
    if (broker.accounts === 'shared') {
      process.stdout.write('WRONG  broker.accounts is "shared": every host may do what every service may\n');
      return 1;
    }
    const needed = neededDefinitions(broker, given) as object as Definitions;
    const troubles = accountTroubles(needed, definitionsIn(file));
    for (const trouble of troubles) process.stdout.write(`WRONG  ${trouble}\n`);
    if (troubles.length === 0) process.stdout.write(`ok     ${needed.users.length} accounts have their rights and no more\n`);
    return troubles.length === 0 ? 0 : 1;
  },
};

/** @throws UsageError for what is no document of RabbitMQ's */
function definitionsIn(file: string): Definitions {
  const text = readFileSync(file === '-' ? STANDARD_INPUT : file, 'utf8');
  let found: Partial<Definitions>;
  try {
    found = JSON.parse(text) as Partial<Definitions>;
  } catch (error) {
    throw new UsageError(`${file}: expected JSON: ${(error as Error).message}`);
  }
  const { users, permissions = [], topic_permissions = [] } = found;
  if (!Array.isArray(users)) throw new UsageError(`${file}: expected definitions of RabbitMQ, with "users"`);
  return { users, permissions, topic_permissions };
}
