import type { ClaimHost, GroupMembers } from '../db/claims.ts';
import type { InstanceRow } from '../db/instance-changes.ts';

/** An instance that wants a host: its choice first, then alternates. */
export interface Wanted {
  readonly instance: InstanceRow;
  readonly hosts: readonly string[];
}

export interface Claim {
  readonly instance: InstanceRow;
  readonly host: ClaimHost;
  /** Which of the proposed hosts it is, from 0. */
  readonly choice: number;
  /** Where it may go if that host fails it. */
  readonly alternates: readonly string[];
}

export interface Decision {
  readonly claims: readonly Claim[];
  /** Others were faster on every host that the scheduler named. */
  readonly lost: readonly InstanceRow[];
}

/**
 * Who gets which host, decided on locked rows: first come, first served, in the order of the selections. Pure.
 *
 * Capacity counts for forced hosts too; that a host is up and in the zone does not.
 */
export function decideClaims(
  wanted: readonly Wanted[],
  hosts: ReadonlyMap<string, ClaimHost>,
  groups: ReadonlyMap<string, GroupMembers>,
): Decision {
  const free = new Map(
    [...hosts].map(([name, host]) => [name, { vcpus: host.freeVcpus, memoryMb: host.freeMemoryMb, diskGb: host.freeDiskGb }]),
  );
  const members = new Map([...groups].map(([uuid, group]) => [uuid, new Map(Object.entries(group.membersByHost))]));
  const claims: Claim[] = [];
  const lost: InstanceRow[] = [];
  for (const { instance, hosts: names } of wanted) {
    const group = instance.serverGroupUuid === null ? undefined : groups.get(instance.serverGroupUuid);
    const placed = group && members.get(group.uuid)!;
    const at = names.findIndex((name) => {
      const host = hosts.get(name);
      const left = free.get(name);
      if (host === undefined || left === undefined) return false;
      if (instance.forcedHost === null && (!host.up || (instance.availabilityZone !== null && host.zone !== instance.availabilityZone)))
        return false;
      if (left.vcpus < instance.vcpus || left.memoryMb < instance.memoryMb || left.diskGb < instance.diskGb) return false;
      return group === undefined || groupAllows(group, placed!, name);
    });
    if (at === -1) {
      lost.push(instance);
      continue;
    }
    const host = hosts.get(names[at]!)!;
    const left = free.get(host.host)!;
    left.vcpus -= instance.vcpus;
    left.memoryMb -= instance.memoryMb;
    left.diskGb -= instance.diskGb;
    placed?.set(host.host, (placed.get(host.host) ?? 0) + 1);
    claims.push({ instance, host, choice: at, alternates: names.filter((_, index) => index > at) });
  }
  return { claims, lost };
}

function groupAllows(group: GroupMembers, placed: ReadonlyMap<string, number>, host: string): boolean {
  if (group.policy === 'anti-affinity') return (placed.get(host) ?? 0) < group.maxServersPerHost;
  if (group.policy === 'affinity') return placed.size === 0 || placed.has(host);
  return true;
}
