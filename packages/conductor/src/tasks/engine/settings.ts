/** What the engine must be told; milliseconds. See the conductor's configuration for what each means. */
export interface EngineSettings {
  readonly leaseMs: number;
  readonly leaseRenewMs: number;
  readonly lookMs: number;
  readonly adoptMs: number;
  readonly adoptBatch: number;
  readonly taskBatch: number;
  readonly taskConcurrency: number;
  readonly callConcurrency: number;
  readonly tasksInHand: number;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly strandedMs: number;
  readonly resendMinMs: number;
  readonly resendMaxMs: number;
  readonly inquiryMs: number;
  readonly stopGraceMs: number;
}
