import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { rpcMetrics } from './rpc-metrics.ts';

test('what rpc counts, and what it has at a moment, stands in the text that Prometheus reads', async () => {
  const registry = new Registry();
  const metrics = rpcMetrics(registry);
  metrics.count('reconnects', {});
  const endOfOne = metrics.observe?.('handlers_running', { topic: 'conductor' }, () => 3);
  metrics.observe?.('handlers_running', { topic: 'conductor' }, () => 4);
  expect(await registry.metrics()).toContain('kilonova_rpc_handlers_running{topic="conductor"} 7');
  endOfOne?.();
  const text = await registry.metrics();
  expect(text).toContain('kilonova_rpc_handlers_running{topic="conductor"} 4');
  expect(text).toContain('kilonova_rpc_reconnects_total 1');
});
