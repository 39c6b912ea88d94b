import { Exclude, Expose, Type } from '@kilonova/rpc';
import { DomainSpec } from './domain-spec.ts';

/**
 * An order to a host about one instance. The host recognises a repeat by `operationId`, and an order older than what it
 * knows by `generation`. `deadlineAt` is when the conductor stops waiting (ISO 8601).
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

@Exclude()
export class SpawnOperation extends Operation {
  @Expose() @Type(() => DomainSpec) spec!: DomainSpec;
}

@Exclude()
export class RemoveOperation extends Operation {
  /** The spawn that this takes back, if it does: a late spawn of that id must find a tombstone. */
  @Expose() undoes: string | null = null;
}

@Exclude()
export class PowerOperation extends Operation {
  /** For a clean shutdown before the plug is pulled; milliseconds. */
  @Expose() graceMs: number = 0;
}

@Exclude()
export class RebootOperation extends Operation {
  /** soft, hard */
  @Expose() kind!: string;
  @Expose() graceMs: number = 0;
}

/** The conductor asks what became of operations instead of guessing; the host reports each again. */
@Exclude()
export class OperationInquiry {
  @Expose() host!: string;
  @Expose() operationIds: string[] = [];
}
