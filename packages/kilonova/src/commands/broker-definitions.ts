import type { Command } from '../cli/command.ts';
import { accountOptions, neededDefinitions } from '../config/broker-accounts.ts';
import { configFor, configOptions } from '../config/options.ts';

export const brokerDefinitionsCommand: Command = {
  name: 'broker definitions',
  summary: "Print RabbitMQ's definitions of the separate accounts (broker.accounts: separate).",
  details: `The accounts api, conductor and scheduler may declare and send; the account compute.HOST of each host may only talk to the
conductor and read its own queues. Passwords come from the configuration and leave it as salted hashes:
  kilonova broker definitions --config kilonova.yaml --hosts host-1,host-2 > definitions.json && rabbitmqctl import_definitions definitions.json`,
  options: { ...accountOptions, ...configOptions },
  async run(given) {
    process.stdout.write(`${JSON.stringify(neededDefinitions(configFor(given).broker, given), null, 2)}\n`);
    return 0;
  },
};
