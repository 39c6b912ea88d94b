import type { DomainSpec, Inventory, PowerState, TransferProgress } from '@kilonova/objects';

/** A domain as the hypervisor shows it. */
export interface Domain {
  readonly uuid: string;
  readonly generation: number;
  readonly power: PowerState;
}

/** A domain of that very generation. One of another generation counts as none, except where a verb says otherwise. */
export interface Target {
  readonly uuid: string;
  readonly generation: number;
}

/** How long a verb may go on: until the signal is aborted. It then ends soon, by rejecting with the signal's reason. */
export interface Bound {
  readonly signal: AbortSignal;
}

/**
 * What every hypervisor can do. A verb states the wanted end, so saying it twice is saying it once, also when the first
 * time was cut short by a crash. `behaviour.ts` says in tests what the verbs mean.
 */
export interface Driver {
  readonly name: string;
  inventory(): Promise<Inventory>;
  list(): Promise<readonly Domain[]>;
  /** Makes the domain if it is absent and starts it. A domain of an older generation is replaced, one of a newer refused. */
  ensureRunning(spec: DomainSpec, bound: Bound): Promise<Domain>;
  /** Starts a domain that exists. @throws NoSuchDomain */
  ensureStarted(target: Target, bound: Bound): Promise<Domain>;
  /** Runs again afterwards: soft asks the guest for up to `graceMs`, hard pulls the plug. @throws NoSuchDomain */
  reboot(target: Target, how: Bound & { readonly kind: 'soft' | 'hard'; readonly graceMs: number }): Promise<Domain>;
  /** Asks the guest for up to `graceMs` milliseconds, then pulls the plug. @throws NoSuchDomain */
  ensureStopped(target: Target, how: Bound & { readonly graceMs: number }): Promise<Domain>;
  /** Removes the domain with its disks, unless it is of a newer generation than the target: that one is not meant. */
  ensureAbsent(target: Target, bound: Bound): Promise<void>;
  /** Lets go of the hypervisor; domains go on. */
  close(): Promise<void>;
}

/** The hypervisor has no domain of that instance and generation. */
export class NoSuchDomain extends Error {
  override readonly name = 'NoSuchDomain';

  constructor(readonly target: Target) {
    super(`no domain of instance ${target.uuid} in generation ${target.generation} on this host`);
  }
}

/**
 * What some can do besides: let a guest move to another host, stopped or live. The agent asks for the ability, never for
 * the driver's name. A domain that is prepared is listed with the power `none`, by which the agent knows that its guest did
 * not come up yet; one that is kept, with any that is not running.
 */
export interface Moves {
  /** Makes ready for a guest of that generation. A domain of an older generation is replaced, one of a newer refused. */
  prepareIncoming(spec: DomainSpec, bound: Bound): Promise<{ readonly destination: string }>;
  /**
   * Sends the guest to a prepared destination. Cold: it is stopped first, and stays here stopped. Live: it runs on until
   * it runs there. When it rejects, the guest is here as before, but a cold one may be stopped. @throws NoSuchDomain
   */
  migrateOut(target: Target, how: Bound & MigrateOut): Promise<Domain>;
  /** Runs, or keeps stopped, what was sent here. @throws NoSuchDomain when nothing was prepared or nothing came */
  finishIncoming(
    spec: DomainSpec,
    how: Bound & { readonly live: boolean; readonly running: boolean; readonly sent: boolean },
  ): Promise<Domain>;
  /**
   * The domain that is kept here, of this or an older generation, is what `spec` says again, running or shut off. A hard
   * reboot begins with this, shut off. @throws NoSuchDomain
   */
  takeBack(spec: DomainSpec, how: Bound & { readonly running: boolean }): Promise<Domain>;
}

export interface MigrateOut {
  readonly destination: string;
  readonly live: boolean;
  readonly graceMs: number;
  /** Aborted when the guest shall be paused until everything is sent. */
  readonly hurry: AbortSignal;
  /** Live: may be called as often as the hypervisor likes; what it costs is the agent's affair. */
  readonly onProgress: (progress: TransferProgress) => void;
}

export const canMove = (driver: Driver): driver is Driver & Moves => 'migrateOut' in driver;
