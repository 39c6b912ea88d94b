import { Exclude, Expose, Type } from '@kilonova/rpc';
import type { PowerState } from '../states/states.ts';

/** What a host has to offer. */
@Exclude()
export class Inventory {
  @Expose() vcpus!: number;
  @Expose() memoryMb!: number;
  @Expose() diskGb!: number;
  @Expose() reservedVcpus: number = 0;
  @Expose() reservedMemoryMb: number = 0;
  @Expose() reservedDiskGb: number = 0;
  @Expose() hypervisorType!: string;
  @Expose() hypervisorVersion: number = 0;
  @Expose() cpuInfo: Record<string, unknown> = {};
  @Expose() supportedInstances: string[][] = [];
  @Expose() capabilities: Record<string, unknown> = {};
  @Expose() hostIp: string | null = null;
  @Expose() uptimeSeconds: number | null = null;
}

/** A domain as the hypervisor shows it. */
@Exclude()
export class DomainReport {
  @Expose() uuid!: string;
  @Expose() generation!: number;
  @Expose() @Type(() => Number) power!: PowerState;
}

/** Sent at start and after every reconnect, until it is answered. */
@Exclude()
export class HostRegistration {
  @Expose() host!: string;
  @Expose() node!: string;
  @Expose() cell: string = 'cell1';
  /** Wire version it speaks. */
  @Expose() version!: string;
  @Expose() driver!: string;
  @Expose() @Type(() => Inventory) inventory!: Inventory;
  /** The process that speaks for the host: each start is another one. Older agents say nothing. */
  @Expose({ since: 1 }) agent: string = '';
}

/** A sign of life. A lost one changes nothing. */
@Exclude()
export class HostHeartbeat {
  @Expose() host!: string;
  /** Counts up from 1 since the agent's start. */
  @Expose() sequence!: number;
  /** Only when it changed since the last one that was sent. */
  @Expose() @Type(() => Inventory) inventory: Inventory | null = null;
}

/** Everything that runs on a host, sent periodically in pieces: what was released is removed, what is missing noted. */
@Exclude()
export class DomainsReport {
  @Expose() host!: string;
  /** One number per round of the report; pieces of a round share it. */
  @Expose() round!: number;
  @Expose() last: boolean = true;
  @Expose() @Type(() => DomainReport) domains: DomainReport[] = [];
  /** As it registered. */
  @Expose({ since: 1 }) agent: string = '';
}

/** What there was to send of a guest, what was sent, and what is left; bytes. What a guest changes is sent again. */
@Exclude()
export class TransferProgress {
  @Expose() memoryTotalBytes: number = 0;
  @Expose() memoryProcessedBytes: number = 0;
  @Expose() memoryRemainingBytes: number = 0;
  @Expose() diskTotalBytes: number = 0;
  @Expose() diskProcessedBytes: number = 0;
  @Expose() diskRemainingBytes: number = 0;
}

/** How an operation ended. */
@Exclude()
export class OperationReport {
  /** Counts up per instance on its host; an older one is ignored. */
  @Expose() number!: number;
  @Expose() operationId!: string;
  @Expose() instanceUuid!: string;
  @Expose() generation!: number;
  /** done, failed, unknown (the host never heard of the operation) */
  @Expose() outcome!: string;
  @Expose() power: PowerState = 0;
  /** Why it failed, for the fault. */
  @Expose() message: string = '';
  @Expose() details: string = '';
  /** Of prepareIncoming: where the guest is to be sent. */
  @Expose() destination: string = '';
  @Expose() startedAt: string | null = null;
  @Expose() finishedAt: string | null = null;
  /** Of a migrateOut that sent a guest live: how far it came; null where the driver does not say. */
  @Expose({ since: 1 }) @Type(() => TransferProgress) progress: TransferProgress | null = null;
}

/** How hosts that lose the broker together come back. */
@Exclude()
export class HostReturn {
  /** Over so long; milliseconds, 0 for as soon as they can. */
  @Expose() spreadMs: number = 0;
}

/** Outcomes that the conductor has not committed yet; told again until ReportsAccepted names them. */
@Exclude()
export class OperationReports {
  @Expose() host!: string;
  @Expose() @Type(() => OperationReport) reports: OperationReport[] = [];
}

/** The operations whose report is committed: the host may forget them. */
@Exclude()
export class ReportsAccepted {
  @Expose() operationIds: string[] = [];
}

/** How far a guest is that is sent at the moment. */
@Exclude()
export class TransferReport {
  @Expose() operationId!: string;
  @Expose() instanceUuid!: string;
  @Expose() generation!: number;
  /** Counts up per instance on its host; an older one is ignored. */
  @Expose() number!: number;
  @Expose() @Type(() => TransferProgress) progress!: TransferProgress;
}

/** News of guests that are being sent. A lost one changes nothing. */
@Exclude()
export class TransferReports {
  @Expose() host!: string;
  @Expose() @Type(() => TransferReport) transfers: TransferReport[] = [];
}
