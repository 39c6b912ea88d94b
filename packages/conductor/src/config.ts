import { address, decimal, flag, integer, section, text, type SectionValues } from '@kilonova/runtime';

const seconds = 1_000;
const minutes = 60 * seconds;

export const databaseSection = section('database', {
  url: address(['postgres', 'postgresql'], 'postgres://kilonova@127.0.0.1:5432/kilonova', {
    help: 'Where PostgreSQL is; may hold a password.',
    secret: true,
  }),
  poolMax: integer(20, { min: 2, max: 500, help: 'Connections that one conductor keeps at most.' }),
  preparedStatements: integer(500, {
    min: 0,
    help: 'Statements that each connection keeps parsed and planned; 0 where a pooler gives every transaction another connection.',
  }),
  connectTimeoutMs: integer(2 * seconds, { min: 100, help: 'How long opening a connection may take.' }),
  acquireTimeoutMs: integer(3 * seconds, { min: 100, help: 'How long a request waits for a free connection before it is refused.' }),
  statementTimeoutMs: integer(10 * seconds, { min: 0, help: 'How long one statement may run; 0 is unlimited.' }),
  lockTimeoutMs: integer(5 * seconds, { min: 0, help: 'How long one statement may wait for a lock; 0 is unlimited.' }),
  idleTransactionTimeoutMs: integer(15 * seconds, {
    min: 0,
    help: 'How long a transaction may be idle before the database ends it; 0 is unlimited.',
  }),
  startWaitMs: integer(60 * seconds, { min: 0, help: 'How long a starting conductor waits for the database.' }),
});
export type DatabaseConfig = SectionValues<typeof databaseSection>;

export const conductorSection = section('conductor', {
  host: text('', { help: "The name this conductor shows in os-services; empty takes the machine's." }),
  workers: integer(1, {
    min: 1,
    max: 64,
    help: 'Processes that do the work of one "kilonova conductor". Each is a conductor of its own, with database.pool_max connections.',
  }),
  // Who is believed
  enforceHostAccounts: flag(true, {
    help: 'Reports count only from the broker account compute.<host>. Turn off only where all services share one account.',
  }),
  // Task engine
  leaseMs: integer(10 * seconds, { min: 500, help: 'How long a silent conductor keeps its tasks before others take them.' }),
  leaseRenewMs: integer(2 * seconds, { min: 100, help: 'How often a conductor renews its lease; less than lease_ms.' }),
  lookMs: integer(500, { min: 20, help: 'How often a conductor looks for own tasks that are due.' }),
  adoptMs: integer(1 * seconds, { min: 50, help: 'How often a conductor looks for tasks of conductors that ended.' }),
  adoptBatch: integer(200, { min: 1, max: 10_000, help: 'Tasks taken over in one transaction.' }),
  taskBatch: integer(100, { min: 1, max: 1_000, help: 'Tasks that share one transaction.' }),
  taskConcurrency: integer(6, { min: 1, max: 100, help: 'Transactions of tasks at the same time in one conductor.' }),
  taskPatienceMs: integer(250, {
    min: 0,
    help: 'How long a transaction of tasks has to last before another one begins beside it. One at a time takes more tasks at once, and none waits in the database for what another one holds.',
  }),
  callConcurrency: integer(16, { min: 1, max: 1_000, help: 'Questions of tasks to other services at the same time.' }),
  tasksInHand: integer(10_000, {
    min: 100,
    help: 'Tasks that one conductor keeps in memory at the same time; others wait in the database.',
  }),
  retryMinMs: integer(100, { min: 1, help: 'First wait before a step that went wrong is tried again; doubles each time.' }),
  retryMaxMs: integer(10 * seconds, { min: 10, help: 'Longest wait before a step is tried again.' }),
  strandedMs: integer(30 * seconds, { min: 100, help: 'A running task that nobody moved for so long is looked at again.' }),
  resendMinMs: integer(5 * seconds, {
    min: 10,
    help: 'First wait for a report before the order is sent to the host again; doubles each time.',
  }),
  resendMaxMs: integer(60 * seconds, { min: 10, help: 'Longest wait before an order is sent again.' }),
  inquiryMs: integer(3 * seconds, { min: 10, help: 'How long a host may take to say what became of an order that is overdue.' }),
  stopGraceMs: integer(3 * seconds, { min: 0, help: 'How long a stopping conductor finishes what is in hand before it hands it back.' }),
  handOverMs: integer(15 * seconds, {
    min: 0,
    max: 3_600_000,
    help: 'How long a conductor that stops beside one of the release before waits for tasks that the other does not know. With stop_grace_ms less than process.grace_ms.',
  }),
  // Deadlines
  createDeadlineMs: integer(10 * minutes, { min: 100, help: 'How long finding and claiming hosts for a request may take.' }),
  buildDeadlineMs: integer(20 * minutes, { min: 100, help: 'How long one attempt to build an instance on a host may take.' }),
  deleteDeadlineMs: integer(2 * minutes, {
    min: 100,
    help: 'How long a delete waits for the host before what is left there becomes its cleanup.',
  }),
  deleteOnDownHostMs: integer(1 * seconds, { min: 0, help: 'The same when the host is known to be down, or goes down meanwhile.' }),
  forcedDownWaitMs: integer(1 * seconds, {
    min: 0,
    help: 'How much longer a host is waited for once an operator forced it down.',
  }),
  powerDeadlineMs: integer(5 * minutes, { min: 100, help: 'How long start, stop and reboot may take.' }),
  moveDeadlineMs: integer(120 * minutes, { min: 100, help: 'How long a resize or migration may take as a whole.' }),
  moveStepDeadlineMs: integer(10 * minutes, {
    min: 100,
    help: 'How long a host may take to make ready for a server that moves, to finish what it got, or to take it back.',
  }),
  silentMoveDeadlineMs: integer(7 * 24 * 60 * minutes, {
    min: 100,
    help: 'How long a host that was told to run a server that moves, and then fell silent, is waited for before what it may have of it is given up.',
  }),
  transferDeadlineMs: integer(60 * minutes, { min: 100, help: 'How long a host may take to send a server to another one.' }),
  maxConcurrentLiveMigrations: integer(1, {
    min: 0,
    help: 'Live migrations that leave one host at the same time; others wait as queued. 0 is unlimited.',
  }),
  liveQueueDeadlineMs: integer(24 * 60 * minutes, { min: 100, help: 'How long a live migration may be queued before it is given up.' }),
  liveQueueLookMs: integer(10 * seconds, {
    min: 10,
    help: 'How often the first queued live migration of a host looks for a place by itself; the ones behind it look less often.',
  }),
  allowResizeToSameHost: flag(false, { help: 'A resize may stay on its host, where both flavors must fit until it is confirmed.' }),
  resizeConfirmWindowS: integer(0, { min: 0, help: 'A resized server is confirmed by itself after so many seconds; 0 is never.' }),
  resizeConfirmLookMs: integer(10 * seconds, { min: 20, help: 'How often resized servers that wait for too long are looked for.' }),
  resizeConfirmBatch: integer(100, { min: 1, max: 10_000, help: 'Resized servers that one look confirms.' }),
  shutdownGraceMs: integer(60 * seconds, { min: 0, help: 'How long a guest may take for a clean shutdown before its plug is pulled.' }),
  selectBatch: integer(32, { min: 1, max: 1_000, help: 'Questions of creates that the scheduler is asked together.' }),
  selectPatienceMs: integer(20, {
    min: 0,
    help: 'How long the scheduler may take for some of them before it is asked others beside them.',
  }),
  selectTimeoutMs: integer(10 * seconds, { min: 100, help: 'How long one question to the scheduler may take.' }),
  // Scheduling
  maxAttempts: integer(3, { min: 1, max: 100, help: 'Hosts on which an instance is tried before it is in ERROR.' }),
  alternates: integer(2, { min: 0, max: 20, help: 'Further hosts that the scheduler is asked for behind each choice.' }),
  claimRounds: integer(10, { min: 1, max: 100, help: 'Selections for one request when others are faster at claiming.' }),
  // Cleanups and reports
  cleanupLookMs: integer(1 * seconds, { min: 20, help: 'How often what is left on hosts is looked for.' }),
  cleanupBatch: integer(200, { min: 1, max: 10_000, help: 'Leftovers that are worked on at the same time.' }),
  cleanupRetryMaxMs: integer(60 * seconds, { min: 10, help: 'Longest wait before a removal is sent again.' }),
  reportBatch: integer(200, { min: 1, max: 1_000, help: 'Reports that share one transaction.' }),
  transferCollectMs: integer(500, {
    min: 1,
    max: 60_000,
    help: 'How long progress of live migrations is collected before one statement writes it.',
  }),
  transferReportBatch: integer(500, { min: 1, max: 10_000, help: 'Live migrations whose progress one statement writes.' }),
  transferReportsMax: integer(10_000, {
    min: 1,
    max: 1_000_000,
    help: 'Live migrations whose progress waits to be written; more is dropped.',
  }),
  transferReportsPerHost: integer(200, { min: 1, max: 1_000_000, help: 'Of those, of one host; more is dropped.' }),
  missedRounds: integer(2, {
    min: 1,
    max: 100,
    help: 'Rounds of domain reports in a row that must agree before a power state is believed.',
  }),
  hostShare: integer(8, {
    min: 1,
    max: 1_000,
    help: 'Requests of one host in work at the same time in one conductor; more are told to come again.',
  }),
  reportsPerMessage: integer(1_000, { min: 1, max: 10_000, help: 'Outcomes in one message of a host; more are refused.' }),
  domainsPerMessage: integer(400, { min: 1, max: 10_000, help: 'Domains in one message of a host; more are refused.' }),
  domainPiecesMax: integer(1_000, {
    min: 1,
    max: 100_000,
    help: 'Messages of one round of domain reports of a host; more are not remembered.',
  }),
  straysMax: integer(1_000, {
    min: 1,
    max: 100_000,
    help: 'Domains of a host that it was not given and that are remembered; more are not.',
  }),
  inventoryMaxBytes: integer(16_384, { min: 1_024, max: 131_072, help: 'What the inventory of a host may measure as JSON.' }),
  syncPowerStates: flag(true, { help: 'An instance that a host shows stopped or running follows that.' }),
  // Hosts and services
  cpuRatio: decimal(4, { min: 0.01, help: 'vCPUs that may be claimed per vCPU of a host.' }),
  memoryRatio: decimal(1, { min: 0.01, help: 'Memory that may be claimed per memory of a host.' }),
  diskRatio: decimal(1, { min: 0.01, help: 'Disk that may be claimed per disk of a host.' }),
  defaultZone: text('nova', { help: 'The availability zone of hosts that are in none by their aggregates.' }),
  internalZone: text('internal', { help: "The availability zone in which the control plane's own services are shown." }),
  heartbeatMs: integer(10 * seconds, { min: 50, help: 'How often a conductor writes its own sign of life.' }),
  heartbeatCollectMs: integer(250, { min: 1, max: 10_000, help: 'How long signs of life are collected before one statement writes them.' }),
  heartbeatMax: integer(100_000, { min: 1, help: 'Hosts and services whose signs of life wait to be written; more are dropped.' }),
  registerBatch: integer(64, {
    min: 1,
    max: 1_000,
    help: 'Registrations of hosts that are settled together when many come at the same time.',
  }),
  registerConcurrency: integer(2, { min: 1, max: 100, help: 'Such batches at the same time in one conductor.' }),
  hostReturnsPerS: integer(200, {
    min: 1,
    max: 100_000,
    help: 'Hosts that lose the broker together come back over so long that it serves so many a second.',
  }),
  hostCountMs: integer(5 * seconds, {
    min: 0,
    max: 600 * seconds,
    help: 'For how long the number of hosts is believed that this is made of.',
  }),
  serviceDownMs: integer(60 * seconds, { min: 100, help: 'A service that was silent for so long is down.' }),
  livenessMs: integer(5 * seconds, {
    min: 20,
    help: 'How often silent hosts are looked for, and tasks that wait for hosts that are down.',
  }),
  livenessBatch: integer(500, { min: 1, max: 10_000, help: 'Hosts, and tasks that wait for them, that are found at a time.' }),
  forgetServiceHours: integer(24, { min: 1, help: 'A silent service that is no compute host is forgotten after so long.' }),
  versionLookMs: integer(2 * seconds, {
    min: 20,
    help: 'How often a conductor looks which versions the other services speak, to speak the oldest to them.',
  }),
  publishCollectMs: integer(20, { min: 0, max: 10_000, help: 'How long changes of hosts are collected before schedulers are told.' }),
  publishPieceHosts: integer(16, { min: 1, max: 1_000, help: 'Hosts in one message to the schedulers.' }),
  publishRetryMs: integer(1 * seconds, { min: 10, help: 'Wait before changed hosts are read again when the database did not answer.' }),
  // Requests
  idempotencyHours: integer(24, {
    min: 1,
    help: 'How long a repeat is recognised: of a create request by its key, of other changes by their message.',
  }),
  admitBatch: integer(32, {
    min: 1,
    max: 1_000,
    help: 'Requests (creates, or power and deletes) that share one transaction when many come at the same time.',
  }),
  admitConcurrency: integer(3, {
    min: 1,
    max: 100,
    help: 'Such transactions at the same time in one conductor, for creates and for the others each.',
  }),
  admitPatienceMs: integer(100, { min: 0, help: 'How long such a transaction has to last before another one begins beside it.' }),
  maxServersPerRequest: integer(1_000, { min: 1, max: 10_000, help: 'Servers that one request may ask for.' }),
  raceRetries: integer(3, { min: 0, max: 100, help: 'How often a request that lost a race for locks is tried again.' }),
  pageMax: integer(1_000, { min: 1, max: 10_000, help: 'Rows of one page of any list.' }),
  pieceRows: integer(100, { min: 1, max: 100, help: 'Rows of a list that travel together.' }),
  // Invariants
  invariantsMs: integer(60 * seconds, { min: 50, help: 'How often is looked whether what must always hold does hold.' }),
  invariantFindings: integer(100, { min: 1, max: 10_000, help: 'Violations of one invariant that one look finds at most.' }),
  overdueTaskMs: integer(30 * seconds, {
    min: 0,
    help: 'How long after its deadline a task may still be ending before it counts as a violation.',
  }),
  repairInvariants: flag(true, { help: 'Violations are put right where the truth is known, when two looks in a row find them.' }),
  // Old rows
  purgeLookMs: integer(60 * seconds, { min: 100, help: 'How often rows that nobody needs any more are looked for.' }),
  purgeBatch: integer(500, { min: 1, max: 10_000, help: 'Rows that one statement removes.' }),
  keepDeletedHours: integer(30 * 24, { min: 1, help: 'How long deleted servers are kept for changes-since.' }),
  keepTasksHours: integer(24, { min: 1, help: 'How long tasks that ended are kept.' }),
});
export type ConductorConfig = SectionValues<typeof conductorSection>;

const limit = (fallback: number, what: string) => integer(fallback, { min: -1, help: `${what}; -1 is unlimited.` });

/** What a project may use when nothing was set for it (names and defaults of Nova's quota options). */
export const quotaSection = section('quota', {
  instances: limit(10, 'Servers of a project'),
  cores: limit(20, 'vCPUs of a project'),
  ram: limit(51_200, 'MiB of memory of a project'),
  metadataItems: limit(128, 'Metadata items of a server'),
  keyPairs: limit(100, 'Key pairs of a user'),
  serverGroups: limit(10, 'Server groups of a project'),
  serverGroupMembers: limit(10, 'Servers of a user in a server group'),
  injectedFiles: limit(5, 'Injected files of a server'),
  injectedFileContentBytes: limit(10_240, 'Bytes of an injected file'),
  injectedFilePathBytes: limit(255, 'Bytes of the path of an injected file'),
  fixedIps: limit(-1, 'Fixed addresses of a project'),
  floatingIps: limit(-1, 'Floating addresses of a project'),
  securityGroups: limit(-1, 'Security groups of a project'),
  securityGroupRules: limit(-1, 'Rules of a security group'),
});
export type QuotaConfig = SectionValues<typeof quotaSection>;

/** Everything a conductor is configured with. */
export interface ConductorSettings {
  readonly database: DatabaseConfig;
  readonly conductor: ConductorConfig;
  readonly quota: QuotaConfig;
}
