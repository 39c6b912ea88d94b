import { flag, integer, list, section, text, type SectionValues } from '@kilonova/runtime';
import type { FakeConfig } from './driver/fake/config.ts';

export { fakeSection } from './driver/fake/config.ts';

export const computeSection = section('compute', {
  cell: text('cell1', { help: 'The cell (broker) that the host belongs to.' }),
  trustedCallers: list(['conductor'], { help: 'Broker accounts whose orders are taken: those of the conductors.' }),
  allowAnonymousCaller: flag(false, { help: 'Take orders without an account name, for brokers that validate none. Not for real hosts.' }),
  maxConcurrentOperations: integer(32, { min: 1, max: 10_000, help: 'Operations that run at the same time, each on another instance.' }),
  maxQueuedOperations: integer(4_096, {
    min: 1,
    max: 1_000_000,
    help: 'Operations that may wait or run; above that orders are refused as Busy.',
  }),
  maxQueuedPerInstance: integer(16, {
    min: 1,
    max: 1_000,
    help: 'Operations on one instance that may wait or run; above that orders are refused as Busy.',
  }),
  maxAbandonedOperations: integer(64, {
    min: 1,
    max: 10_000,
    help: 'Driver calls that ignore being aborted; above that new operations fail at once.',
  }),
  abortWaitMs: integer(2_000, {
    min: 0,
    max: 600_000,
    help: 'How long an aborted driver call may take to end before it is left to itself.',
  }),
  cleanupMs: integer(30_000, {
    min: 1,
    max: 3_600_000,
    help: 'How long taking back a failed spawn, or a removal whose own time is used up, may take.',
  }),
  driverWaitMs: integer(10_000, { min: 1, max: 600_000, help: 'How long the hypervisor may take to list domains or tell its inventory.' }),
  heartbeatMs: integer(20_000, {
    min: 10,
    max: 600_000,
    help: 'Between two signs of life to the conductor, give or take a tenth; at most a third of conductor.service_down_ms.',
  }),
  domainReportMs: integer(60_000, {
    min: 10,
    max: 86_400_000,
    help: 'Between two looks at everything that runs, give or take a tenth. It is reported when it changed.',
  }),
  domainRepeats: integer(3, {
    min: 1,
    max: 100,
    help: 'Looks in a row after which a change of what runs is reported; more than conductor.missed_rounds.',
  }),
  domainRefreshRounds: integer(10, {
    min: 1,
    max: 10_000,
    help: 'Looks without a change after which everything that runs is reported all the same.',
  }),
  domainReturnMs: integer(15_000, {
    min: 0,
    max: 3_600_000,
    help: 'How soon, at a random time within it, a host on which something runs reports that after the broker returned.',
  }),
  returnMaxMs: integer(300_000, {
    min: 0,
    max: 3_600_000,
    help: 'The longest time that the conductor may spread the return of all hosts over when they lose the broker together.',
  }),
  domainPieceSize: integer(200, { min: 1, max: 400, help: 'Domains in one message of that report.' }),
  reportBatchSize: integer(100, { min: 1, max: 1_000, help: 'Outcomes in one message to the conductor.' }),
  transferReportMs: integer(2_000, {
    min: 10,
    max: 600_000,
    help: 'Between two messages that tell the conductor how far live migrations from this host are.',
  }),
  callTimeoutMs: integer(10_000, { min: 10, max: 600_000, help: 'How long the conductor may take to answer.' }),
  pinAskMs: integer(30_000, {
    min: 20,
    max: 86_400_000,
    help: 'How often the conductors are asked for their oldest version, as long as that is older than the agent.',
  }),
  retryBaseMs: integer(200, {
    min: 1,
    max: 60_000,
    help: 'First wait before telling the conductor again; doubled each time, with full jitter.',
  }),
  retryCapMs: integer(10_000, { min: 1, max: 600_000, help: 'Longest wait before telling the conductor again.' }),
  listenWaitMs: integer(3_000, {
    min: 0,
    max: 600_000,
    help: 'How long the start waits for the queue of orders; afterwards it goes on waiting in the background.',
  }),
  graceMs: integer(2_000, { min: 0, max: 600_000, help: 'How long a stop waits for what is in hand; the rest is left to the journal.' }),
  compactBytes: integer(16_777_216, {
    min: 1_024,
    max: 1_073_741_824,
    help: 'Size of the journal above which it is written anew with what still counts.',
  }),
  rememberedPerInstance: integer(32, {
    min: 4,
    max: 1_000,
    help: 'Settled operations remembered per instance, to recognise late repeats.',
  }),
  tombstoneMs: integer(86_400_000, { min: 1_000, max: 2_592_000_000, help: 'How long removed instances are remembered.' }),
  maxTombstones: integer(10_000, { min: 10, max: 1_000_000, help: 'How many removed instances are remembered.' }),
  maxUnknownAnswers: integer(1_000, {
    min: 1,
    max: 100_000,
    help: 'Operations asked for and never heard of, whose answer waits to be taken.',
  }),
});

export type ComputeOptions = SectionValues<typeof computeSection>;

/** Both sections, as loaded. */
export interface ComputeConfig {
  readonly compute: ComputeOptions;
  readonly fake: FakeConfig;
}
