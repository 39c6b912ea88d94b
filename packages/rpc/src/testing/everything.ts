// All that a transport promises, whichever it is. A new suite is added here, and runs on each.
import { describe } from 'vitest';
import { describeAttachments } from './attachments.ts';
import { describeTransport } from './behaviour.ts';
import type { Bench } from './bench.ts';
import { describeCastFailures } from './cast-failures.ts';
import { describeDuplicates } from './duplicates.ts';
import { describeEndpoints } from './endpoints.ts';
import { describeErrors } from './errors.ts';
import { describeInterceptors } from './interceptors.ts';
import { describeLanes } from './lanes.ts';
import { describeLimits } from './limits.ts';
import { describeLongCalls } from './long-calls.ts';
import { describeOrder } from './order-by-key.ts';
import { describeOutages } from './outages.ts';
import { describeRefusals } from './refusals.ts';
import { describeRetries } from './retries.ts';
import { describeSharing } from './sharing.ts';
import { describeVersions } from './versions.ts';
import { describeWaits } from './waits.ts';

const SUITES = [
  { title: 'in general', run: describeTransport },
  { title: 'with long calls', run: describeLongCalls },
  { title: 'with errors', run: describeErrors },
  { title: 'with attachments', run: describeAttachments },
  { title: 'with limits', run: describeLimits },
  { title: 'with interceptors', run: describeInterceptors },
  { title: 'with refusals', run: describeRefusals },
  { title: 'with retries', run: describeRetries },
  { title: 'with several contracts', run: describeEndpoints },
  { title: 'with versions', run: describeVersions },
  { title: 'with times', run: describeWaits },
  { title: 'with lanes', run: describeLanes },
  { title: 'with order by key', run: describeOrder },
  { title: 'with competing servers', run: describeSharing },
  { title: 'with duplicates', run: describeDuplicates },
  { title: 'with casts that fail', run: describeCastFailures },
  { title: 'with outages', run: describeOutages },
];

/** Each suite has a block of its own: what it opens before each of its tests is not opened for those of the others. */
export function describeEverything(open: () => Promise<Bench>): void {
  describe.each(SUITES)('$title', ({ run }) => {
    run(open);
  });
}
