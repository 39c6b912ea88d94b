import type { BrokerTarget } from '@kilonova/bench';
import { createMetrics, silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import { brokerUrls } from '../config/broker.ts';
import type { KilonovaConfig } from '../config/sections.ts';
import { settleAccounts } from '../process/accounts.ts';
import { connectBroker } from '../process/transport.ts';

const RARELY_MS = 600_000;

/** The broker of the configuration, as agents and services reach it. Its first address is the one that is used. */
export function brokerTarget(given: KilonovaConfig): BrokerTarget {
  const config = settleAccounts(given);
  const metrics = createMetrics('bench', { ofProcess: false });
  const around = { clock: systemClock, random: systemRandom, log: silentLogger };
  const straight = config.broker.urls.slice(0, 1);
  return {
    url: brokerUrls({ ...config.broker, urls: straight }, { role: 'api' })[0] ?? '',
    // A registry each: thousands that share one share its counters, which is what is wanted of the services only.
    connectHost: (host, through) =>
      connectBroker(
        // Each of thousands would watch the same event loop.
        { ...config.broker, urls: straight.map(through), loopBlockedMs: RARELY_MS },
        { host },
        { ...around, metrics: createMetrics('bench', { ofProcess: false }) },
      ),
    connectTrusted: () => connectBroker(config.broker, { role: 'api' }, { ...around, metrics }),
    trustedCallers: config.compute.trustedCallers,
  };
}
