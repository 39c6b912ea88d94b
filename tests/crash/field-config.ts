import type { ConfigDocument } from '../support/cloud-config.ts';

/** What the api promises of its answers; milliseconds. */
export const API_BOUNDS = { rpcTimeoutMs: 5_000, requestTimeoutMs: 12_000 };

/**
 * Deadlines and waits that a test can outlast. What the conductor would repair by itself stays as it is found, so that no
 * look of the oracle comes too late.
 */
export const CONFIG: ConfigDocument = {
  broker: { heartbeat_seconds: 2, retry_cap_ms: 500, connect_wait_ms: 1_000, confirm_wait_ms: 2_000, call_timeout_ms: 5_000 },
  database: {
    connect_timeout_ms: 1_000,
    acquire_timeout_ms: 2_000,
    statement_timeout_ms: 4_000,
    lock_timeout_ms: 3_000,
    idle_transaction_timeout_ms: 5_000,
  },
  api: { rpc_timeout_ms: API_BOUNDS.rpcTimeoutMs, request_timeout_ms: API_BOUNDS.requestTimeoutMs },
  conductor: {
    lease_ms: 3_000,
    lease_renew_ms: 500,
    service_down_ms: 4_000,
    liveness_ms: 500,
    retry_max_ms: 2_000,
    stranded_ms: 5_000,
    resend_min_ms: 1_000,
    resend_max_ms: 5_000,
    inquiry_ms: 2_000,
    create_deadline_ms: 60_000,
    build_deadline_ms: 60_000,
    delete_deadline_ms: 30_000,
    power_deadline_ms: 45_000,
    move_deadline_ms: 120_000,
    move_step_deadline_ms: 45_000,
    transfer_deadline_ms: 60_000,
    shutdown_grace_ms: 2_000,
    select_timeout_ms: 3_000,
    cleanup_retry_max_ms: 5_000,
    repair_invariants: false,
  },
  scheduler: { digest_interval_ms: 2_000 },
  compute: { heartbeat_ms: 500, domain_report_ms: 2_000, call_timeout_ms: 3_000, retry_cap_ms: 1_000 },
  fake: {
    latency_ms: {
      ...{ spawn: 60, remove: 20, stop: 30, start: 30, reboot: 30, prepareIncoming: 30, migrateOut: 80, finishIncoming: 30, takeBack: 30 },
    },
    faults: { flaky: { host: '*', verb: 'spawn', effect: 'fail', probability: 0.05, message: 'flaky' } },
  },
  quota: { instances: 300, cores: 300, ram: 1_000_000, server_groups: 100, server_group_members: 100 },
};
