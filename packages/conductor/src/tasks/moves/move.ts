import { type Flavor, type MigrationStatus, powerState, type TaskState, type VmState } from '@kilonova/objects';
import { finishEvents } from '../../db/action-events.ts';
import type { Transaction } from '../../db/connection.ts';
import type { Batch, Failure, ReportOutcome, TaskItem } from '../engine/definition.ts';
import type { HostFailure } from '../faults.ts';
import type { Asking } from './asking-on.ts';
import type { OnHost } from '../orders.ts';

/** A move of an instance away from its owner: `host` and `generation` are the source's. */
export interface MoveParams extends OnHost {
  readonly migrationUuid: string;
  /** What the instance was before, and is again if the move fails. */
  readonly vmState: VmState;
  /** The new one; null keeps the old. */
  readonly flavor: Flavor | null;
  /** The only host that is wanted; null: whichever the scheduler names. */
  readonly wantedHost: string | null;
  /** The wanted host is not checked by the scheduler. */
  readonly forced: boolean;
  /** Named by the scheduler already: it counts them as taken, so they are tried before it is asked again. */
  readonly chosen?: readonly string[];
  /** Of an evacuation: it shall be stopped there. */
  readonly stopped?: boolean;
  /** Of a move whose destination was told to run the guest and fell silent: it is asked again, and nothing else. */
  readonly silent?: SilentDestination;
  /** 1 for the first destination. */
  readonly attempt: number;
  /** Of the destinations before. */
  readonly failures: readonly HostFailure[];
}

/** A destination that may run the guest. */
export interface SilentDestination {
  readonly destination: OnHost & { readonly node: string };
  /** Whether the source said that it has sent everything. */
  readonly sent: boolean;
  readonly asking: Asking;
}

export type MoveItem = TaskItem<MoveParams>;
export type MoveBatch = Batch<MoveParams>;

/** How far claiming came; with a host when it came to an end. */
export interface DestinationClaim {
  readonly rounds: number;
  readonly destination?: OnHost & { readonly node: string };
}

/** The kind of task that goes on asking the destination of a move of this kind. */
export const settlingKind = ({ kind }: Pick<MoveWords, 'kind'>): string => `settle-${kind}`;

/** Names of what a kind of move shows while it goes on. */
export interface MoveWords {
  readonly kind: string;
  readonly live: boolean;
  readonly events: {
    /** The same time as `accept`, of the first destination only. Since minor 1: older conductors would not end it. */
    readonly outer?: string;
    /** From the acceptance to the claim. */
    readonly accept: string;
    /** What was looked at on either host when the destination is claimed. */
    readonly checks?: { readonly destination: string; readonly source: string };
    readonly prepare: string;
    readonly transfer: string;
    readonly finish: string;
  };
  readonly statuses: {
    readonly prepare: MigrationStatus;
    readonly transfer: MigrationStatus;
    readonly finish: MigrationStatus;
    readonly end: MigrationStatus;
  };
  readonly taskStates: { readonly prepare: TaskState; readonly transfer: TaskState; readonly sent: TaskState; readonly finish: TaskState };
}

export const claimOf = ({ params, outputs }: MoveItem): DestinationClaim | undefined =>
  params.silent === undefined ? (outputs['claim'] as DestinationClaim | undefined) : { rounds: 0, destination: params.silent.destination };

/** The claimed destination. Only for steps behind the claim. */
export const destinationOf = (item: MoveItem): OnHost & { readonly node: string } => claimOf(item)!.destination!;

/** A resize that stays on its host: the domain is made another one in its place. */
export const staysOnHost = (item: MoveItem): boolean => claimOf(item)?.destination?.host === item.params.host;

export const outcomeOf = ({ outputs }: Pick<TaskItem<unknown>, 'outputs'>, step: string): ReportOutcome | undefined =>
  outputs[step] as ReportOutcome | undefined;

/** Whether the source said that it has sent everything. */
export const wasSent = (item: MoveItem): boolean => item.params.silent?.sent ?? outcomeOf(item, 'transferred')?.outcome === 'done';

/** Whether the destination failed, and says that it has the guest all the same: it may run, or its user has shut it down. */
export const isThere = (item: MoveItem): boolean => {
  const finished = outcomeOf(item, 'finished');
  return finished?.outcome === 'failed' && finished.power !== powerState.none;
};

/** Whether the guest runs while nothing moves it. */
export const runsIn = (vmState: VmState): boolean => vmState === 'active' || vmState === 'paused';

export const uuidsOf = (batch: readonly { readonly instanceUuid: string | null }[]): readonly string[] =>
  batch.map(({ instanceUuid }) => instanceUuid!);

/** Whichever event of the move runs ends with its failure. */
export const failEvents = (trx: Transaction, batch: MoveBatch, { events }: Pick<MoveWords, 'events'>): Promise<void> =>
  finishEvents(
    trx,
    batch.flatMap(({ instanceUuid, requestId, failure }) =>
      runningNames(events).map((event) => ({ instanceUuid: instanceUuid!, requestId, event, failure: textOf(failure) })),
    ),
  );

const runningNames = (events: MoveWords['events']): readonly string[] => [
  ...new Set([...beginning(events), events.prepare, events.transfer, events.finish]),
];

/** What runs from the acceptance to the claim. */
export const beginning = ({ outer, accept }: Pick<MoveWords['events'], 'outer' | 'accept'>): readonly string[] =>
  outer === undefined ? [accept] : [outer, accept];

export const textOf = (failure: Failure | null) => ({
  message: failure?.message ?? '',
  ...(failure?.details !== undefined && { details: failure.details }),
});
