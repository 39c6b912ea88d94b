import { brokerDefinitions } from '@kilonova/rpc';
import { UsageError, type Given } from '../cli/command.ts';
import { hostAccount, passwordOf, trustedRoles, type BrokerConfig } from './broker.ts';
import { hostList } from './hosts.ts';

/** What commands about the broker's accounts are told beside the configuration. */
export const accountOptions = {
  hosts: { value: 'A,B', help: 'Hosts whose accounts are meant; default: those of broker.host_passwords.' },
  vhost: { value: 'NAME', help: "RabbitMQ's virtual host.", default: '/' },
} as const;

/** The accounts that the configuration needs, in RabbitMQ's form. @throws UsageError when a password is missing */
export function neededDefinitions(broker: BrokerConfig, given: Given): Record<string, unknown> {
  const named = given.text('hosts');
  const hosts = named === undefined ? Object.keys(broker.hostPasswords) : hostList(named);
  const missing = [
    ...trustedRoles.filter((role) => passwordOf(broker, role) === '').map((role) => `broker.${role}_password`),
    ...hosts.filter((host) => !broker.hostPasswords[host]).map((host) => `broker.host_passwords of ${host}`),
  ];
  if (missing.length > 0) throw new UsageError(`the configuration lacks ${missing.join(', ')}`);
  return brokerDefinitions({
    namespace: broker.namespace,
    vhost: given.text('vhost') ?? '/',
    trusted: trustedRoles.map((role) => ({ user: role, password: passwordOf(broker, role) })),
    hosts: hosts.map((host) => ({
      ...{ user: hostAccount(host), password: broker.hostPasswords[host] ?? '' },
      ...{ topic: 'compute', server: host, talksTo: ['host-reports'] },
    })),
  });
}
