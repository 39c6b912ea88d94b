import { randomBytes } from 'node:crypto';
import { serviceAddress } from './environment.ts';
import { orderBroker } from './services/broker-control.ts';

/** The RabbitMQ of this test run, with an account that may do everything. */
export const brokerUrl = (): string => serviceAddress('KILONOVA_TEST_AMQP_URL');

/** The first part of all names of one test file on the shared broker, so that files do not meet. */
export const freshNamespace = (): string => `t${randomBytes(5).toString('hex')}`;

const order = (action: 'kill' | 'start' | 'ctl', rest: { readonly args?: readonly string[]; readonly input?: string } = {}) =>
  orderBroker(serviceAddress('KILONOVA_TEST_BROKER_CONTROL'), { action, ...rest });

/** As a power cut; for tests/crash only, since everything shares this broker. Its address and durable data stay. */
export async function killBroker(): Promise<void> {
  await order('kill');
}

/** Settles when it answers again. */
export async function startBroker(): Promise<void> {
  await order('start');
}

/** `rabbitmqctl ARGS`; about a second a call. Throws with its words when it fails, or when the broker was named by the environment. */
export const brokerctl = (args: readonly string[], input?: string): Promise<string> =>
  order('ctl', { args, ...(input !== undefined && { input }) });

/** Adds users, permissions, exchanges, queues of a RabbitMQ definitions document. */
export async function importDefinitions(definitions: Readonly<Record<string, unknown>>): Promise<void> {
  await brokerctl(['import_definitions'], JSON.stringify(definitions));
}

export interface VirtualHost {
  readonly name: string;
  readonly url: string;
  remove(): Promise<void>;
}

/** A broker of its own within the broker, for tests that count queues or need names of their own. */
export async function freshVirtualHost(): Promise<VirtualHost> {
  const name = freshNamespace();
  const url = new URL(brokerUrl());
  await brokerctl(['add_vhost', name]);
  await brokerctl(['set_permissions', '--vhost', name, decodeURIComponent(url.username), '.*', '.*', '.*']);
  url.pathname = `/${name}`;
  return { name, url: url.href, remove: async () => void (await brokerctl(['delete_vhost', name])) };
}
