import { describe } from 'vitest';
import { InProcessBroker } from '../index.ts';
import type { Bench } from '../testing/bench.ts';
import { describeEverything } from '../testing/everything.ts';

describe('the in-process transport', () => {
  const open = async (): Promise<Bench> => {
    const broker = new InProcessBroker();
    const transports: ReturnType<InProcessBroker['connect']>[] = [];
    return {
      noticeMs: 0,
      async connect(service, id, limits = {}) {
        const transport = broker.connect({ service, id, ...limits });
        transports.push(transport);
        return transport;
      },
      cut: () => transports.forEach((transport) => transport.cut()),
      restore: () => transports.forEach((transport) => transport.restore()),
      close: async () => undefined,
    };
  };
  describeEverything(open);
});
