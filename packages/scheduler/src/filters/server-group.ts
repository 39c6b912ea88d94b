import { rowsOf, type HostFilter } from '../filter.ts';

/** With the policy affinity: where members are, or anywhere for the first. The claim decides in the end. */
export const affinity: HostFilter = {
  name: 'affinity',
  compile({ group }, { hosts, placed }) {
    if (group?.policy !== 'affinity') return undefined;
    const members = Object.keys(group.membersByHost);
    const withMembers = new Set(rowsOf(hosts, members));
    const none = () => members.length === 0 && placed.none;
    return {
      test: (row) => withMembers.has(row) || placed.on(row) > 0 || none(),
      only: () => (none() ? undefined : [...new Set([...withMembers, ...placed.rows])]),
    };
  },
  why: (_host, { group }) => `without a member of server group ${group?.uuid} (affinity)`,
};

/** With the policy anti-affinity: fewer members than the group's limit per host. */
export const antiAffinity: HostFilter = {
  name: 'anti_affinity',
  compile({ group }, { hosts, placed }) {
    if (group?.policy !== 'anti-affinity') return undefined;
    const members = new Map(Object.entries(group.membersByHost).map(([host, count]) => [hosts.rowOf(host), count]));
    const most = group.maxServersPerHost;
    return { test: (row) => (members.get(row) ?? 0) + placed.on(row) < most };
  },
  why: (_host, { group }) => `with ${group?.maxServersPerHost} or more of server group ${group?.uuid} (anti-affinity)`,
};
