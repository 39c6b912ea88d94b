/** What is asked of the scheduler: one request after the other, the same ones for the same seed. */
import { Flavor, GroupPlacement, HostRequest } from '@kilonova/objects';
import type { Random } from '@kilonova/runtime';
import type { MixName } from '../cases/case.ts';
import { FAST, zoneName } from './hosts.ts';

export interface Mix {
  next(): HostRequest;
  /** The request was answered with this host. */
  placed(request: HostRequest, host: string): void;
}

const ALTERNATES = 2;
const GROUP_SIZE = 10;

const flavor = (name: string, vcpus: number, memoryMb: number, rootGb: number, extraSpecs: Record<string, string> = {}): Flavor =>
  Object.assign(new Flavor(), { flavorId: name, name, vcpus, memoryMb, rootGb, extraSpecs });

const small = flavor('small', 1, 2_048, 20);
const fast = flavor('fast', 2, 4_096, 20, FAST);
const varied = [
  small,
  fast,
  flavor('medium', 4, 8_192, 40),
  flavor('newest', 2, 4_096, 10, { 'aggregate_instance_extra_specs:generation': '2' }),
  flavor('avx', 2, 8_192, 10, { 'capabilities:cpu_info:features': '<in> avx' }),
];

export const mixes: Readonly<Record<MixName, (random: Random) => Mix>> = {
  /** A zone and the extra specs of a flavor. */
  plain: (random) => {
    let turn = 0;
    return { next: () => request(random, fast, { availabilityZone: zoneName(turn++) }), placed: () => undefined };
  },
  /** Members of groups of ten, each on a host of its own. */
  'anti-affinity': (random) => grouped(random, 'anti-affinity'),
  /** One in five belongs to a group; flavors, zones and none as they come. */
  varied: (random) => {
    const groups = grouped(random, 'anti-affinity');
    return {
      next: () => {
        const drawn = random.next();
        if (drawn < 0.2) return groups.next();
        const availabilityZone = drawn < 0.6 ? zoneName(Math.floor(random.next() * 4)) : null;
        return request(random, varied[Math.floor(random.next() * varied.length)]!, { availabilityZone });
      },
      placed: (asked, host) => {
        if (asked.group !== null) groups.placed(asked, host);
      },
    };
  },
};

function grouped(random: Random, policy: string): Mix {
  let group: GroupPlacement | undefined;
  let members = 0;
  return {
    next() {
      if (group === undefined || members >= GROUP_SIZE) {
        group = Object.assign(new GroupPlacement(), { uuid: random.uuid(), policy });
        members = 0;
      }
      members += 1;
      return request(random, small, { group });
    },
    placed(asked, host) {
      if (asked.group !== null) asked.group.membersByHost[host] = (asked.group.membersByHost[host] ?? 0) + 1;
    },
  };
}

const request = (random: Random, wanted: Flavor, more: Partial<HostRequest>): HostRequest =>
  Object.assign(new HostRequest(), {
    instanceUuids: [random.uuid()],
    projectId: 'bench',
    flavor: wanted,
    alternates: ALTERNATES,
    ...more,
  });
