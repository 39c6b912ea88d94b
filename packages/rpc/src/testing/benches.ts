import { connectAmqp, InProcessBroker, listDeadLetters, type Transport } from '../index.ts';
import type { Bench } from './bench.ts';
import { openProxy, testBroker } from './proxy.ts';

let runs = 0;

/** RabbitMQ, in names of its own, by a way that can be cut. */
export async function openAmqpBench(queues: 'classic' | 'quorum'): Promise<Bench> {
  const proxy = await openProxy(testBroker());
  const namespace = `test-${process.pid}-${queues}-${++runs}`;
  const transports: Transport[] = [];
  return {
    repliesVanish: queues === 'classic',
    noticeMs: queues === 'classic' ? 0 : 150,
    async connect(service, id, limits = {}) {
      const transport = await connectAmqp({ url: proxy.url, service, id, namespace, queues, retryCapMs: 200, ...limits });
      transports.push(transport);
      return transport;
    },
    deadReasons: async () => (await listDeadLetters({ url: testBroker(), namespace })).map(({ reason }) => reason),
    cut: () => proxy.cut(),
    restore: () => proxy.restore(),
    async close() {
      await Promise.all(transports.map((transport) => transport.close()));
      await proxy.close();
    },
  };
}

export async function openInProcessBench(): Promise<Bench> {
  const broker = new InProcessBroker();
  const transports: ReturnType<InProcessBroker['connect']>[] = [];
  return {
    repliesVanish: true,
    noticeMs: 0,
    async connect(service, id, limits = {}) {
      const transport = broker.connect({ service, id, ...limits });
      transports.push(transport);
      return transport;
    },
    deadReasons: async () => broker.deadLetters.map(({ reason }) => reason),
    cut: () => transports.forEach((transport) => transport.cut()),
    restore: () => transports.forEach((transport) => transport.restore()),
    close: async () => {
      await Promise.all(transports.map((transport) => transport.close()));
    },
  };
}
