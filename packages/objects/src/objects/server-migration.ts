import { Exclude, Expose, Type } from '@kilonova/rpc';

/** What kind of move it is, as the Compute API names it. */
export type MigrationType = 'migration' | 'resize' | 'live-migration' | 'evacuation';

/** How far a migration is, as the Compute API names it. */
export type MigrationStatus =
  | 'accepted'
  | 'queued'
  | 'pre-migrating'
  | 'preparing'
  | 'migrating'
  | 'running'
  | 'post-migrating'
  | 'finished'
  | 'confirmed'
  | 'reverting'
  | 'reverted'
  | 'done'
  | 'completed'
  | 'cancelled'
  | 'failed'
  | 'error';

/** One move of a server from a host to another. */
@Exclude()
export class ServerMigration {
  /** A running number: what URLs name it by. */
  @Expose() id!: number;
  @Expose() uuid!: string;
  @Expose() serverUuid!: string;
  @Expose() projectId!: string;
  @Expose() userId!: string;
  @Expose() @Type(() => String) type!: MigrationType;
  @Expose() @Type(() => String) status!: MigrationStatus;
  @Expose() sourceHost: string | null = null;
  @Expose() sourceNode: string | null = null;
  @Expose() destHost: string | null = null;
  @Expose() destNode: string | null = null;
  /** Address of the destination. */
  @Expose() destAddress: string | null = null;
  /** Running numbers of flavors; null for one that is gone. */
  @Expose() oldFlavorNumber: number | null = null;
  @Expose() newFlavorNumber: number | null = null;
  /** Of a live migration: what there is to send; null as long as the host did not say. */
  @Expose() memoryTotalBytes: number | null = null;
  @Expose() memoryProcessedBytes: number | null = null;
  @Expose() memoryRemainingBytes: number | null = null;
  @Expose() diskTotalBytes: number | null = null;
  @Expose() diskProcessedBytes: number | null = null;
  @Expose() diskRemainingBytes: number | null = null;
  @Expose() createdAt!: string;
  @Expose() updatedAt: string | null = null;
}
