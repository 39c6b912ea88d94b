import { connectAmqp, InProcessBroker, type Environment, type Transport, type TransportLimits } from '../index.ts';
import { testBroker } from './proxy.ts';

export type Connect = (service: string, id: string, options?: Partial<TransportLimits> & Partial<Environment>) => Promise<Transport>;

/** A broker of each kind, for `describe.each`; `open` gives one that nobody else uses. */
export const bothTransports: readonly { readonly name: string; open(): Connect }[] = [
  {
    name: 'in process',
    open() {
      const broker = new InProcessBroker();
      return async (service, id, options = {}) => broker.connect({ service, id, ...options });
    },
  },
  {
    name: 'over RabbitMQ',
    open() {
      const namespace = `both-${process.pid}-${++opened}`;
      return (service, id, options = {}) => connectAmqp({ url: testBroker(), queues: 'classic', namespace, service, id, ...options });
    },
  },
];

let opened = 0;
