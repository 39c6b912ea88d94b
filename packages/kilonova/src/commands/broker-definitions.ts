import { brokerDefinitions } from '@kilonova/rpc';
import { UsageError, type Command } from '../cli/command.ts';
import { hostAccount, passwordOf, trustedRoles } from '../config/broker.ts';
import { configFor, configOptions } from '../config/options.ts';
import { hostList } from '../config/hosts.ts';

export const brokerDefinitionsCommand: Command = {
  name: 'broker definitions',
  summary: "Print RabbitMQ's definitions of the separate accounts (broker.accounts: separate).",
  details: `The accounts api, conductor and scheduler may declare and send; the account compute.HOST of each host may only talk to the
conductor and read its own queues. Passwords come from the configuration and leave it as salted hashes:
  kilonova broker definitions --config kilonova.yaml --hosts host-1,host-2 > definitions.json && rabbitmqctl import_definitions definitions.json`,
  options: {
    hosts: { value: 'A,B', help: 'Hosts to make accounts for; default: those of broker.host_passwords.' },
    vhost: { value: 'NAME', help: "RabbitMQ's virtual host.", default: '/' },
    ...configOptions,
  },
  async run(given) {
    const { broker } = configFor(given);
    const named = given.text('hosts');
    const hosts = named === undefined ? Object.keys(broker.hostPasswords) : hostList(named);
    const missing = [
      ...trustedRoles.filter((role) => passwordOf(broker, role) === '').map((role) => `broker.${role}_password`),
      ...hosts.filter((host) => !broker.hostPasswords[host]).map((host) => `broker.host_passwords of ${host}`),
    ];
    if (missing.length > 0) throw new UsageError(`the configuration lacks ${missing.join(', ')}`);
    const definitions = brokerDefinitions({
      namespace: broker.namespace,
      vhost: given.text('vhost') ?? '/',
      trusted: trustedRoles.map((role) => ({ user: role, password: passwordOf(broker, role) })),
      hosts: hosts.map((host) => ({
        user: hostAccount(host),
        password: broker.hostPasswords[host] ?? '',
        topic: 'compute',
        server: host,
        talksTo: ['host-reports'],
      })),
    });
    process.stdout.write(`${JSON.stringify(definitions, null, 2)}\n`);
    return 0;
  },
};
