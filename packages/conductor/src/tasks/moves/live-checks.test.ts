import { expect, test } from 'vitest';
import type { HostSigns } from '../../db/hosts-up.ts';
import { obstacleOf } from './live-checks.ts';

const signs = (changes: Partial<HostSigns> = {}): HostSigns => ({ up: true, hypervisorType: 'fake', hypervisorVersion: 2, ...changes });
const to = (wantedHost: string | null) => ({ instanceUuid: 'i1', host: 'h1', wantedHost });

test.each([
  { title: 'nothing when the scheduler chooses', wantedHost: null, source: signs(), destination: signs({ up: false }), message: undefined },
  {
    title: 'nothing when both hosts fit',
    wantedHost: 'h2',
    source: signs(),
    destination: signs({ hypervisorVersion: 3 }),
    message: undefined,
  },
  {
    title: 'a source that is down',
    ...{ wantedHost: null, source: signs({ up: false }), destination: signs() },
    message: 'Compute service of h1 is unavailable at this time.',
  },
  {
    title: 'its own host',
    wantedHost: 'h1',
    source: signs(),
    destination: signs(),
    message: 'Unable to migrate instance (i1) to current host (h1).',
  },
  { title: 'a host nobody knows', wantedHost: 'h9', source: signs(), destination: signs(), message: 'Compute host h9 could not be found.' },
  {
    title: 'a destination that is down',
    ...{ wantedHost: 'h2', source: signs(), destination: signs({ up: false }) },
    message: 'Compute service of h2 is unavailable at this time.',
  },
  {
    title: 'another hypervisor',
    ...{ wantedHost: 'h2', source: signs(), destination: signs({ hypervisorType: 'other' }) },
    message: 'The supplied hypervisor type of is invalid.',
  },
  {
    title: 'an older hypervisor',
    ...{ wantedHost: 'h2', source: signs(), destination: signs({ hypervisorVersion: 1 }) },
    message: 'The instance requires a newer hypervisor version than has been provided.',
  },
])('what is in the way of a live migration: $title', ({ wantedHost, source, destination, message }) => {
  const found = obstacleOf(
    to(wantedHost),
    new Map([
      ['h1', source],
      ['h2', destination],
    ]),
  );
  expect(found?.message).toBe(message);
});
