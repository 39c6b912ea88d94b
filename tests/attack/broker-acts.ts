/** What an account can ask of the broker itself: everything, of everything. */
import type { ConfirmChannel } from 'amqplib';
import type { Outcome } from './attacker.ts';
import type { Broker } from './shots.ts';

export interface BrokerAct {
  readonly kind: string;
  act(channel: ConfirmChannel): Promise<Outcome>;
}

const done: Outcome = { by: 'none' };
const did = (kind: string, act: (channel: ConfirmChannel) => Promise<unknown>): BrokerAct => ({
  kind,
  act: async (channel) => {
    await act(channel);
    return done;
  },
});

/** @param own queues of the account: it may read these, and nothing more */
export function brokerActs({ namespace, queues, exchanges }: Broker, own: readonly string[]): readonly BrokerAct[] {
  const others = queues.filter((name) => !own.includes(name));
  const [mine] = own as [string];
  const traps = [
    { 'x-dead-letter-exchange': `${namespace}.to-hosts.v2`, 'x-dead-letter-routing-key': 'compute.to.host-2', 'x-message-ttl': 1 },
    { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': `${namespace}.conductor.v2`, 'x-message-ttl': 1 },
    { 'x-dead-letter-exchange': `${namespace}.internal.v2`, 'x-max-length': 0 },
  ];
  return [
    ...traps.flatMap((args) =>
      ['', `${namespace}.mine.v2`, 'mine', mine].map((name) =>
        did('declare a queue that passes on to others', (channel) =>
          channel.assertQueue(name, { durable: true, autoDelete: true, arguments: args }),
        ),
      ),
    ),
    ...['', `${namespace}.mine.v2`, `${namespace}.reply.api.x.v2`, `${namespace}.compute.host-9.v2`].map((name) =>
      did('declare a queue', (channel) => channel.assertQueue(name)),
    ),
    ...exchanges.flatMap((name) => [
      did('declare an exchange with another to fall back on', (channel) =>
        channel.assertExchange(name, 'topic', { alternateExchange: `${namespace}.to-hosts.v2` }),
      ),
      did('remove an exchange', (channel) => channel.deleteExchange(name)),
      did('tie exchanges together', (channel) => channel.bindExchange(name, `${namespace}.from-hosts.v2`, '#')),
      did('tie exchanges together', (channel) => channel.bindExchange(`${namespace}.from-hosts.v2`, name, '#')),
      did('untie exchanges', (channel) => channel.unbindExchange(`${namespace}.from-hosts.v2`, name, '#')),
      did('bind its queue to what is for others', (channel) => channel.bindQueue(mine, name, '#')),
      ...others.map((queue) => did('bind the queues of others', (channel) => channel.bindQueue(queue, name, '#'))),
      ...others.map((queue) => did('unbind the queues of others', (channel) => channel.unbindQueue(queue, name, '#'))),
    ]),
    ...others.flatMap((queue) => [
      did('remove the queues of others', (channel) => channel.deleteQueue(queue)),
      did('empty the queues of others', (channel) => channel.purgeQueue(queue)),
      did('take a message of others', (channel) => channel.get(queue)),
      did('read the queues of others', (channel) => channel.consume(queue, () => undefined)),
      did('declare the queues of others anew', (channel) => channel.assertQueue(queue, { durable: false })),
    ]),
    did('be answered directly', async (channel) => {
      const { consumerTag } = await channel.consume('amq.rabbitmq.reply-to', () => undefined, { noAck: true });
      await channel.cancel(consumerTag);
    }),
  ];
}
