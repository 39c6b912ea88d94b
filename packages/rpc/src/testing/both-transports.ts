import { connectAmqp, InProcessBroker, listDeadLetters, type Environment, type Transport, type TransportLimits } from '../index.ts';
import { testBroker } from './proxy.ts';

type Connect = (service: string, id: string, options?: Partial<TransportLimits> & Partial<Environment>) => Promise<Transport>;

/** A broker that nobody else uses: a function that connects to it. */
export type OpenBroker = Connect & {
  /** Of what was put aside, in order. */
  deadLetterReasons(): Promise<readonly string[]>;
};

/** A broker of each kind, for `describe.each`. */
export const bothTransports: readonly { readonly name: string; open(): OpenBroker }[] = [
  {
    name: 'in process',
    open() {
      const broker = new InProcessBroker();
      const connect: Connect = async (service, id, options = {}) => broker.connect({ service, id, ...options });
      return Object.assign(connect, { deadLetterReasons: async () => broker.deadLetters.map(({ reason }) => reason) });
    },
  },
  {
    name: 'over RabbitMQ',
    open() {
      const namespace = `both-${process.pid}-${++opened}`;
      const connect: Connect = (service, id, options = {}) =>
        connectAmqp({ url: testBroker(), queues: 'classic', namespace, service, id, ...options });
      const deadLetterReasons = async () => (await listDeadLetters({ url: testBroker(), namespace })).map(({ reason }) => reason);
      return Object.assign(connect, { deadLetterReasons });
    },
  },
];

let opened = 0;
