import { Gauge, type Registry } from 'prom-client';
import { release } from '../version.ts';

/** Shows which release a process is of: during an upgrade there are two. */
export function showBuild(metrics: Registry): void {
  new Gauge({
    name: 'kilonova_build_info',
    help: 'Always 1; the release of this process, and the newest wire version that it speaks.',
    labelNames: ['version', 'wire'],
    registers: [metrics],
  }).set(release, 1);
}
