import { Exclude, Expose, Type } from '@kilonova/rpc';
import { DomainSpec } from './domain-spec.ts';

/**
 * An order to a host about one instance. The host recognises a repeat by `operationId`, and an order older than what it
 * knows by `generation`.
 */
@Exclude()
export class Operation {
  @Expose() operationId!: string;
  @Expose() instanceUuid!: string;
  @Expose() generation!: number;
  @Expose() host!: string;
  @Expose() requestId!: string;
  /** Milliseconds the host may take; after that it reports a failure. */
  @Expose() allowedMs!: number;
}

/** The instance shall run on this host, as `spec` says; a repeat finds it running. */
@Exclude()
export class SpawnOperation extends Operation {
  @Expose() @Type(() => DomainSpec) spec!: DomainSpec;
}

/** Nothing of the instance, up to this generation, shall be left on this host. */
@Exclude()
export class RemoveOperation extends Operation {
  /** The spawn that this takes back, if it does: a late spawn of that id must find a tombstone. */
  @Expose() undoes: string | null = null;
}

/** Start or stop, as the method says. */
@Exclude()
export class PowerOperation extends Operation {
  /** For a clean shutdown before the plug is pulled; milliseconds. */
  @Expose() graceMs: number = 0;
}

/** The instance shall have booted anew. */
@Exclude()
export class RebootOperation extends Operation {
  /** soft, hard */
  @Expose() kind!: string;
  /** soft: how long the guest may take before its plug is pulled; milliseconds. */
  @Expose() graceMs: number = 0;
  /** hard: what the host still has of the instance, of whatever older generation, shall be this before it boots. */
  @Expose({ since: 5 }) @Type(() => DomainSpec) spec: DomainSpec | null = null;
}

/** The host shall make ready for an instance that comes from another one; it reports where its guest is to be sent. */
@Exclude()
export class PrepareIncomingOperation extends Operation {
  /** As it shall be here; its generation is the one that this host claims. */
  @Expose() @Type(() => DomainSpec) spec!: DomainSpec;
}

/** The host shall send the guest (live) or its disks (stopped, and kept here) to where another host expects them. */
@Exclude()
export class MigrateOutOperation extends Operation {
  /** As the other host reported it. */
  @Expose() destination!: string;
  /** The guest goes on while it is sent. */
  @Expose() live: boolean = false;
  /** Not live: how long the guest may take for a clean shutdown; milliseconds. */
  @Expose() graceMs: number = 0;
  /** Said again with true: what is under way is broken off and reported as failed. */
  @Expose() abort: boolean = false;
  /** Said again with true: the guest is paused until everything is sent. */
  @Expose() forceComplete: boolean = false;
}

/** What was sent to this host shall run here, or be there stopped; nothing is left here when it cannot. */
@Exclude()
export class FinishIncomingOperation extends Operation {
  @Expose() @Type(() => DomainSpec) spec!: DomainSpec;
  @Expose() live: boolean = false;
  @Expose() running: boolean = true;
  /** Whether the sender said that everything was sent. When not, the host looks whether the guest is here. */
  @Expose() sent: boolean = true;
}

/** What this host still has of the instance, of whatever older generation, shall be the instance again, as `spec` says. */
@Exclude()
export class TakeBackOperation extends Operation {
  @Expose() @Type(() => DomainSpec) spec!: DomainSpec;
  @Expose() running: boolean = true;
}

/** The conductor asks what became of operations instead of guessing; the host reports each again. */
@Exclude()
export class OperationInquiry {
  @Expose() host!: string;
  @Expose() operationIds: string[] = [];
}
