import type { RunningCloud } from './cloud.ts';
import type { State } from './state.ts';

/** What the user reads when everything is up. */
export function summaryOf(
  cloud: RunningCloud,
  state: State,
  { probesUrl, tookMs, ephemeral }: { probesUrl: string; tookMs: number; ephemeral: boolean },
): string {
  const clouds = `OS_CLIENT_CONFIG_FILE=${state.shown}/clouds.yaml`;
  return `
Kilonova is up (${(tookMs / 1_000).toFixed(1)} s), with ${cloud.hosts.length} hosts of the fake driver.

  identity  ${cloud.identityUrl}/v3
  compute   ${cloud.computeUrl}/v2.1
  image     ${cloud.imageUrl}
  health    ${probesUrl}/healthz   metrics  ${probesUrl}/metrics
  state     ${state.shown}${ephemeral ? ' (removed at the end)' : ''}   log  ${state.shown}/kilonova.log

As administrator (cloud "kilonova") or member (cloud "demo"):
  ${clouds} openstack --os-cloud kilonova server list
  ${clouds} openstack --os-cloud demo server create --flavor m1.tiny --image cirros --wait first
or:
  . ${state.shown}/openrc && nova list

Ctrl-C ends everything.`;
}
