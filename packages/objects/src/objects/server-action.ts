import { Exclude, Expose, Type } from '@kilonova/rpc';

@Exclude()
export class ServerActionEvent {
  @Expose() event!: string;
  @Expose() startTime!: string;
  @Expose() finishTime: string | null = null;
  /** Success or Error; null while it runs. */
  @Expose() result: string | null = null;
  @Expose() traceback: string | null = null;
  @Expose() host: string | null = null;
  @Expose() details: string | null = null;
}

/** What was asked of a server, keyed by the request that asked. */
@Exclude()
export class ServerAction {
  @Expose() action!: string;
  @Expose() serverUuid!: string;
  @Expose() requestId!: string;
  @Expose() projectId!: string;
  @Expose() userId!: string;
  @Expose() startTime!: string;
  @Expose() updatedAt!: string;
  /** `Error` when an event failed. */
  @Expose() message: string | null = null;
  @Expose() @Type(() => ServerActionEvent) events: ServerActionEvent[] = [];
}
