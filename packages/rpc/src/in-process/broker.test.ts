import { describe } from 'vitest';
import { InProcessBroker } from '../index.ts';
import { describeAttachments } from '../testing/attachments.ts';
import { describeTransport } from '../testing/behaviour.ts';
import type { Bench } from '../testing/bench.ts';
import { describeInterceptors } from '../testing/interceptors.ts';
import { describeLimits } from '../testing/limits.ts';
import { describeLongCalls } from '../testing/long-calls.ts';
import { describeRefusals } from '../testing/refusals.ts';
import { describeLanes } from '../testing/lanes.ts';
import { describeOrder } from '../testing/order-by-key.ts';
import { describeRetries } from '../testing/retries.ts';
import { describeEndpoints } from '../testing/endpoints.ts';

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
  describeTransport(open);
  describeLongCalls(open);
  describeAttachments(open);
  describeLimits(open);
  describeInterceptors(open);
  describeRefusals(open);
  describeRetries(open);
  describeEndpoints(open);
  describeLanes(open);
  describeOrder(open);
});
