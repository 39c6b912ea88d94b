import type { KilonovaConfig } from './sections.ts';

/** Says what is wrong with values that have to fit each other, by their keys; undefined when nothing is. */
type Rule = (config: KilonovaConfig) => string | undefined;

/** Of these a service could only do harm: whatever reads the configuration refuses it. */
const refusals: readonly Rule[] = [
  ({ conductor: { leaseMs, leaseRenewMs } }) =>
    leaseRenewMs < leaseMs
      ? undefined
      : `conductor.lease_renew_ms: expected less than conductor.lease_ms (${leaseMs}), found ${leaseRenewMs}: a lease would end before it is renewed`,
  ({ identity: { scryptCost } }) =>
    Number.isInteger(Math.log2(scryptCost)) ? undefined : `identity.scrypt_cost: expected a power of two, found ${scryptCost}`,
];

/** One sign of life may be late, and one be lost. */
const SIGNS_OF_LIFE = 3;

/** One machine's configuration may not say what holds on the others: the doctor finds these wrong, and services log them. */
const doubts: readonly Rule[] = [
  ({ compute: { heartbeatMs }, conductor: { serviceDownMs } }) =>
    heartbeatMs * SIGNS_OF_LIFE <= serviceDownMs
      ? undefined
      : `compute.heartbeat_ms: expected at most a third of conductor.service_down_ms (${serviceDownMs}), found ${heartbeatMs}: hosts that live would be down`,
];

const found = (rules: readonly Rule[], config: KilonovaConfig): readonly string[] =>
  rules.map((rule) => rule(config)).filter((problem) => problem !== undefined);

export const refusedOf = (config: KilonovaConfig): readonly string[] => found(refusals, config);
/** @param of the service whose configuration it is: a compute host is not told what conductors are configured with */
export const doubtsOf = (config: KilonovaConfig, of?: string): readonly string[] => (of === 'compute' ? [] : found(doubts, config));
