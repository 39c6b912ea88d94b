import type { KilonovaConfig } from '../config/sections.ts';

/**
 * With one account for all processes the broker cannot tell a host from another: reports then count by what they say,
 * and agents take orders from that account. Said once, by broker.accounts, so that the parts cannot disagree.
 */
export function settleAccounts(config: KilonovaConfig): KilonovaConfig {
  if (config.broker.accounts === 'separate') return config;
  const shared = config.broker.urls.map((url) => decodeURIComponent(new URL(url).username) || 'guest');
  return {
    ...config,
    conductor: { ...config.conductor, enforceHostAccounts: false },
    compute: { ...config.compute, trustedCallers: [...new Set([...config.compute.trustedCallers, ...shared])] },
  };
}
