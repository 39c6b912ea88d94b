import { describe } from 'vitest';
import { connectAmqp, type Transport } from '../index.ts';
import { describeTransport, type Bench } from '../testing/behaviour.ts';
import { openProxy, testBroker } from '../testing/proxy.ts';

let runs = 0;

describe.each(['classic', 'quorum'] as const)('the AMQP transport with %s queues', (queues) => {
  describeTransport(async (): Promise<Bench> => {
    const proxy = await openProxy(testBroker());
    const namespace = `test-${process.pid}-${queues}-${++runs}`;
    const transports: Transport[] = [];
    return {
      noticeMs: queues === 'classic' ? 0 : 150,
      async connect(service, id, limits = {}) {
        const transport = await connectAmqp({ url: proxy.url, service, id, namespace, queues, retryCapMs: 200, ...limits });
        transports.push(transport);
        return transport;
      },
      cut: () => proxy.cut(),
      restore: () => proxy.restore(),
      async close() {
        await Promise.all(transports.map((transport) => transport.close()));
        await proxy.close();
      },
    };
  });
});
