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
}

/** The conductor asks what became of operations instead of guessing; the host reports each again. */
@Exclude()
export class OperationInquiry {
  @Expose() host!: string;
  @Expose() operationIds: string[] = [];
}
