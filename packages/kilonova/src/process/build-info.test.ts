import { createMetrics } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { release } from '../version.ts';
import { showBuild } from './build-info.ts';

test('the metrics of a process say which release it is of', async () => {
  const metrics = createMetrics('api', { ofProcess: false });
  showBuild(metrics);
  const line = `kilonova_build_info{version="${release.version}",wire="${release.wire}",service="api"} 1`;
  expect((await metrics.metrics()).split('\n')).toContain(line);
});
