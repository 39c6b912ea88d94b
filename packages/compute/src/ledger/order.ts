import type { DomainSpec, PowerState, TransferProgress } from '@kilonova/objects';

interface OrderHead {
  readonly operationId: string;
  readonly instanceUuid: string;
  readonly generation: number;
  readonly requestId: string;
  /** Milliseconds from `acceptedAt`. */
  readonly allowedMs: number;
  /** Milliseconds since the epoch. */
  readonly acceptedAt: number;
}

/** What the conductor asked for, as the journal keeps it until it is done. */
export type Order = OrderHead &
  (
    | { readonly verb: 'spawn'; readonly spec: DomainSpec }
    | { readonly verb: 'remove'; readonly undoes: string | null }
    | { readonly verb: 'powerOn' }
    | { readonly verb: 'powerOff'; readonly graceMs: number }
    | { readonly verb: 'reboot'; readonly kind: 'soft' | 'hard'; readonly graceMs: number; readonly spec: DomainSpec | null }
    | { readonly verb: 'prepareIncoming'; readonly spec: DomainSpec }
    | {
        readonly verb: 'migrateOut';
        readonly destination: string;
        readonly live: boolean;
        readonly graceMs: number;
        readonly abort: boolean;
        readonly forceComplete: boolean;
      }
    | {
        readonly verb: 'finishIncoming';
        readonly spec: DomainSpec;
        readonly live: boolean;
        readonly running: boolean;
        readonly sent: boolean;
      }
    | { readonly verb: 'takeBack'; readonly spec: DomainSpec; readonly running: boolean }
  );

/** How an order ended. Times are milliseconds since the epoch. */
export interface Outcome {
  /** Counts up over all reports of the host, so also over those of one instance. */
  readonly number: number;
  readonly result: 'done' | 'failed';
  readonly power: PowerState;
  readonly message: string;
  readonly details: string;
  /** Of prepareIncoming: where the guest is to be sent. */
  readonly destination?: string;
  /** Of a migrateOut that sent a guest live, as far as the driver said. */
  readonly progress?: TransferProgress;
  readonly startedAt: number;
  readonly finishedAt: number;
}
