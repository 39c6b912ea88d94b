/**
 * The one history of everything Kilonova sends: objects and contracts share it. A new line is added for every change of
 * a shape or a method; `since` of a field names its minor, `since` of a method its full version.
 */
export const history = [
  {
    minor: 0,
    name: 'first-light',
    change: 'Servers, flavors, aggregates, zones, hosts, key pairs, quotas, server groups; create, power and delete tasks.',
  },
  {
    minor: 1,
    name: 'progress-of-moves',
    change:
      'Hosts report how far a live migration is, on its way and with its outcome, and which process speaks for them; migrations may be queued. Schedulers answer several requests at once.',
  },
  {
    minor: 2,
    name: 'oldest-conductor',
    change: 'Processes without a database ask the conductors for the version of the oldest of them: oldestConductor.',
  },
  {
    minor: 3,
    name: 'return-of-hosts',
    change: 'Hosts ask over how long all of them come back when they lose the broker together: hostReturn.',
  },
  {
    minor: 4,
    name: 'revisions',
    change:
      'A list of servers can be had as revisions, and its servers say theirs where that is asked: listServerRevisions, revised. Who has kept what it made of a server need not ask for it again.',
  },
  {
    minor: 5,
    name: 'silent-hosts',
    change:
      'Conductors know tasks that wait for a host that may run a server that moved to it: settle-cold-move, settle-live-move, settle-revert. A create names the policy that refuses its caller a flavor without a root disk: zeroDiskDeniedBy. A hard reboot says what the instance is: spec.',
  },
] as const;

/** A new major starts new classes: nothing of an older one is understood. */
export const MAJOR = 1;
export const MINOR: number = history[history.length - 1]!.minor;
/** What this release speaks, as MAJOR.MINOR. */
export const version = `${MAJOR}.${MINOR}`;
